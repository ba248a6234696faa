"""Messages to token ids and back: chat template, control tokens, what ends a reply, decoding.

A model's habits are measured on its tokenizer, never assumed from a name: a conversation of marks
is rendered once for each sequence of roles, and what comes out says what the template takes, which
tokens are its own and how it closes a turn. What must stay the same for a whole line of models
(the template's clock and options, what else ends a reply) is kept with the tokenizer's files
(`settle`).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:  # `Message` is needed by processes that never load a model
    from transformers import PreTrainedTokenizerBase


class Message(TypedDict):
    """One turn: role `system`, `user` or `assistant`, and its text."""

    role: str
    content: str


class PromptRefused(ValueError):
    """A conversation cannot be put to this model; the message says why."""


# For models without a chat template. Plain text, so that a base model sees what it knows:
#   ### User\n<text>\n\n### Assistant\n
FALLBACK_TURN = "### {role}\n{content}\n\n"
FALLBACK_REPLY = "### Assistant\n"
# A person's own "### User" would begin a turn in the fallback, as a control token would in a
# template: a space goes behind its first #, and it reads the same to a person.
_HEADING = re.compile(r"^#(?=## (?:System|User|Assistant)\s*$)", re.MULTILINE)

# What `settle` keeps, in tokenizer_config.json, and so in every checkpoint that descends from it.
_KEPT = "tutelage"
# Where a template's clock stands that was taken up before clocks were stopped.
_UNSETTLED_DAY = datetime.date(2024, 7, 26)
# A macro of that name stands before the function that the library gives to templates. So the day is
# part of the template, and also stops for whoever serves the checkpoint elsewhere.
_CLOCK = "{%- macro strftime_now(format) -%}"
_DIRECTIVES = ("%-d", "%-m", *(f"%{letter}" for letter in "aAbBdeHIjmMpSyY"))
# Where the results of probes lie in a tokenizer: they go with it, and with its copies.
_PROBES = "_tutelage_probes"


def settle(
    tokenizer: PreTrainedTokenizerBase,
    *,
    rows: int,
    ends: Iterable[int] = (),
    day: datetime.date | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Keep with the tokenizer what its files do not say, for as long as models descend from it.

    Args:
        rows: Of the embedding; no id beyond is ever used.
        ends: Ids that end a reply by the model's configurations. One that stands for ordinary text
            (a configuration's unfitting default) is left out.
        day: On which the template's clock stops, for good. None leaves the template as it is.
        options: Further variables of the template, such as `enable_thinking`. None keeps them.

    Raises ValueError when the template cannot work with so many rows, or no token ends a reply.
    """
    kept = dict(tokenizer.init_kwargs.get(_KEPT) or {})
    # An end is a token that is matched as a whole. Configurations that were copied from another
    # family name an id that is a word here, and every reply would end at it.
    control = _added(tokenizer)
    kept |= {"rows": rows, "ends": sorted({int(i) for i in ends if int(i) in control})}
    # It is a dictionary where a model has several templates; those are left as they are.
    if day is not None and isinstance(tokenizer.chat_template, str):
        tokenizer.chat_template = _pinned(tokenizer.chat_template, day)
    if options is not None:
        kept["options"] = dict(options)
    # init_kwargs is what save_pretrained writes into tokenizer_config.json, unknown names too.
    tokenizer.init_kwargs[_KEPT] = kept
    # Called for its ValueError: a model whose replies nothing ends is refused when it is taken up,
    # not when the first of its answers runs to the limit.
    stop_token_id(tokenizer)
    # Only what the template writes: a vocabulary may be longer than the embedding, and a token that
    # nobody causes does no harm.
    for token in sorted(_control_ids(tokenizer, used=True)):
        if token >= rows:
            raise ValueError(
                f"its chat template uses {tokenizer.convert_ids_to_tokens(token)} (token {token}), "
                f"for which the model's embedding of {rows} rows has none. Use the tokenizer that "
                "belongs to the weights, or resize the embedding and train it"
            )


def settled(tokenizer: PreTrainedTokenizerBase) -> Mapping[str, Any]:
    """What `settle` kept: `options`, `rows`, `ends`, as far as there are."""
    return dict(tokenizer.init_kwargs.get(_KEPT) or {})


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], prefix: str = ""
) -> list[int]:
    """Token ids of the conversation up to where the assistant's reply starts.

    Uses the tokenizer's chat template with its generation prompt, or the fallback above; begins
    with one beginning-of-sequence token where the model has one, and never ends with an end. A
    `prefix` prompt is the system turn, or stands before the first user turn where there is no such
    role. Control tokens written out in a message are text. Raises PromptRefused.
    """
    turns = prefixed(tokenizer, messages, prefix)
    # How many control tokens such a conversation has is known from marks in place of its texts.
    # More of them, or fewer, come from the texts, whatever way they got there.
    controls = _controls_written(tokenizer, [turn["role"] for turn in turns])
    ids = _encoded(tokenizer, turns)
    own = _control_ids(tokenizer)
    # The texts as they are first: taking tokens apart changes a text, and nearly none has any.
    if sum(i in own for i in ids) != controls:
        told = [(turn["role"], _disarm(tokenizer, turn["content"])) for turn in turns]
        ids = _encoded(tokenizer, [Message(role=role, content=text) for role, text in told])
    return _within_rows(tokenizer, ids)


def prefixed(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], prefix: str
) -> list[Message]:
    """The conversation under a prefix prompt, as this model can be told it."""
    turns = [Message(role=m["role"], content=m["content"]) for m in messages]
    if not prefix:
        return turns
    told = [Message(role="system", content=prefix), *turns]
    if turns and turns[0]["role"] == "system":
        # Two system turns in a row are what few templates were written for.
        told = [Message(role="system", content=f"{prefix}\n\n{turns[0]['content']}"), *turns[1:]]
    # Measured, not read off the template: some refuse a system turn, others leave it out without a
    # word.
    if refusal(tokenizer, [turn["role"] for turn in told]) is None:
        return told
    return before_first_user_turn(turns, prefix)


def before_first_user_turn(messages: Sequence[Message], words: str) -> list[Message]:
    """The conversation with these words at the head of what the user says first."""
    first = next(i for i, turn in enumerate(messages) if turn["role"] == "user")
    content = f"{words}\n\n{messages[first]['content']}"
    told = Message(role="user", content=content)
    return [*messages[:first], told, *messages[first + 1 :]]


def refusal(tokenizer: PreTrainedTokenizerBase, roles: Sequence[str]) -> str | None:
    """Why a conversation of these roles cannot be put to the model, or None."""
    try:
        _controls_written(tokenizer, roles)
    except PromptRefused as refused:
        return str(refused)
    return None


def control_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """The tokens that nobody can write in a message, by id: what they look like."""
    added = _added(tokenizer)
    return {i: added[i] for i in sorted(_control_ids(tokenizer))}


def plain_text(messages: Sequence[Message]) -> str:
    """The conversation by the fallback above, up to where the assistant's reply starts; a heading
    that a person wrote does not begin a turn."""
    turns = (
        FALLBACK_TURN.format(
            role=turn["role"].capitalize(), content=_HEADING.sub("# ", turn["content"])
        )
        for turn in messages
    )
    return "".join(turns) + FALLBACK_REPLY


def encode_response(
    tokenizer: PreTrainedTokenizerBase, text: str, finished: bool = True
) -> list[int]:
    """Token ids of a reply: the text without added specials, then the stop token.

    One that was cut at a limit, not `finished`, has none: what follows was never said. Raises
    PromptRefused.
    """
    ids = _plain_ids(tokenizer, text)
    if not _control_ids(tokenizer).isdisjoint(ids):
        ids = _plain_ids(tokenizer, _disarm(tokenizer, text))
    _within_rows(tokenizer, ids)
    return [*ids, stop_token_id(tokenizer)] if finished else ids


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text of token ids; control tokens, and what ended it, are left out."""
    said = list(ids)
    ends = stop_token_ids(tokenizer)
    while said and said[-1] in ends:
        said.pop()
    # Cleaning up takes the space before a comma away: a text would come back other than it was
    # said.
    return str(tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def stop_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that replies are taught to end with: the one the chat template closes a turn with,
    whether or not it is flagged as special, else the end of sequence. Raises ValueError."""
    if tokenizer.chat_template:
        # Before the tokenizer's own end: of many models that is the end of a document, which the
        # template never writes and no reply was taught to end with.
        closing = _probed(tokenizer, "closing", lambda: _turn_closing(tokenizer))
        if closing is not None:
            return int(closing)
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-sequence token; set its eos_token")
    return int(tokenizer.eos_token_id)


def stop_token_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """All that ends a reply, `stop_token_id` first: what closes a turn, and the ends of the
    tokenizer, the configuration and the generation configuration."""
    ends = [stop_token_id(tokenizer), tokenizer.eos_token_id, *settled(tokenizer).get("ends", ())]
    rows = settled(tokenizer).get("rows")
    # One without a row in the embedding cannot be sampled.
    there = (int(i) for i in ends if i is not None and (rows is None or i < rows))
    return tuple(dict.fromkeys(there))


def pad_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """A token for padding that never ends a reply and that the embedding has.

    The tokenizer's own if it suits, else another control token, else any other id: masks, not
    ids, say what is padding, so the choice is invisible to the model. No token is added, since that
    would need a new row in the embedding.
    """
    ends = stop_token_ids(tokenizer)
    rows = settled(tokenizer).get("rows", len(tokenizer))
    # Among one id more than there are ends there is one that is none of them.
    candidates = [tokenizer.pad_token_id, *sorted(_specials(tokenizer)), *range(len(ends) + 1)]
    return next(int(c) for c in candidates if c is not None and c not in ends and c < rows)


def _controls_written(tokenizer: PreTrainedTokenizerBase, roles: Sequence[str]) -> int:
    """How many control tokens a conversation of these roles has. Raises PromptRefused where the
    template takes no such conversation, or loses a part of it."""
    found = _probed(tokenizer, tuple(roles), lambda: _render_marks(tokenizer, roles))
    if isinstance(found, str):
        raise PromptRefused(found)
    return int(found)


def _render_marks(tokenizer: PreTrainedTokenizerBase, roles: Sequence[str]) -> int | str:
    """The number of control tokens around marks under these roles, or why there is none."""
    # Marks that no template writes by itself, with nothing at their ends that trimming would take.
    turns = [Message(role=role, content=f"qz{i}zq") for i, role in enumerate(roles)]
    try:
        text = _rendered(tokenizer, turns)
    except PromptRefused as refused:
        return str(refused)
    for turn in turns:
        # A template that drops a turn without a word would train and score an answer to half of a
        # question.
        if turn["content"] not in text:
            return f"its chat template leaves out a {turn['role']} turn of {', '.join(roles)}"
    own = _control_ids(tokenizer)
    return sum(i in own for i in _encoded(tokenizer, turns))


def _probed(tokenizer: PreTrainedTokenizerBase, key: Any, measure: Callable[[], Any]) -> Any:
    """What `measure` found under this key; anew where the template or its variables changed."""
    # In the tokenizer's own dictionary and not by its id: an id is given again once the object is
    # gone, and its probes would be another tokenizer's.
    probes = vars(tokenizer).setdefault(_PROBES, {})
    # Both can be set from outside after a probe, the template by any caller.
    state = (tokenizer.chat_template, repr(settled(tokenizer)))
    if probes.get("state") != state:
        probes.clear()
        probes["state"] = state
    if key not in probes:
        probes[key] = measure()
    return probes[key]


def _encoded(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Message]) -> list[int]:
    if not tokenizer.chat_template:
        # What the tokenizer puts behind a text would end the reply before it starts.
        return [*_begins_with(tokenizer), *_plain_ids(tokenizer, plain_text(turns))]
    ids = _plain_ids(tokenizer, _rendered(tokenizer, turns))
    # Some templates write the beginning of sequence, and their tokenizers add it as well, special
    # tokens or not.
    twice = len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id
    return ids[1:] if twice else ids


def _rendered(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Message], *, reply: bool = True
) -> str:
    """The conversation as text, with the start of a reply where `reply`. Raises PromptRefused."""
    if not tokenizer.chat_template:
        return plain_text(turns)
    template: Any = tokenizer.chat_template
    if isinstance(template, str):
        # A model that was settled has its clock in the template already, and this leaves it as it
        # is. Of others a probe on one day must say what it says on the next.
        template = _pinned(template, _UNSETTLED_DAY)
    try:
        return str(
            tokenizer.apply_chat_template(
                list(turns),
                chat_template=template if isinstance(template, str) else None,
                add_generation_prompt=reply,
                tokenize=False,
                **settled(tokenizer).get("options", {}),
            )
        )
    except Exception as error:  # a template is a program of the model's authors
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise PromptRefused(f"its chat template refuses it: {reason}") from error


def _pinned(template: str, day: datetime.date) -> str:
    """The template with its clock stopped on that day; one that asks for no time, or was stopped
    before, as it is. Whoever serves the checkpoint then renders what the model was trained on."""
    if "strftime_now" not in template or template.startswith(_CLOCK):
        return template
    # Put in by replacing, since a template has no strftime of its own to call.
    filters = "".join(f"|replace('{one}', '{day.strftime(one)}')" for one in _DIRECTIVES)
    return f"{_CLOCK}{{{{ format{filters} }}}}{{%- endmacro +%}}{template}"


def _begins_with(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the tokenizer puts before a text of its own accord: the beginning of sequence, once."""

    def measure() -> list[int]:
        # Measured: add_bos_token says it of some tokenizers, of others a post-processor does
        # without it.
        bare, full = _plain_ids(tokenizer, "a"), list(tokenizer("a")["input_ids"])
        places = range(len(full) - len(bare) + 1)
        at = next((i for i in places if full[i : i + len(bare)] == bare), 0)
        # One at most, for what stands before is the beginning and not a prefix of several tokens.
        return full[: min(at, 1)]

    return list(_probed(tokenizer, "begins", measure))


def _plain_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    # Control tokens in the text are still matched here, the template's own among them; `_disarm`
    # takes care of those that a person wrote. verbose: the library warns of every text beyond its
    # idea of the model's length.
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _within_rows(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    rows = settled(tokenizer).get("rows")
    # Without this an index error of the embedding, on a GPU an assertion that ends the process.
    if rows is not None and ids and max(ids) >= rows:
        token = tokenizer.convert_ids_to_tokens(max(ids))
        raise PromptRefused(
            f"it has the token {token!r} ({max(ids)}), for which the model's embedding of {rows} "
            "rows has none"
        )
    return ids


def _turn_closing(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The first control token after an assistant's text; None where words alone close a turn."""
    mark = "qzreplyzq"
    turns = [Message(role="user", content="question"), Message(role="assistant", content=mark)]
    try:
        text = _rendered(tokenizer, turns, reply=False)
    except PromptRefused:
        return None
    if mark not in text:
        return None
    # The last place, for a template may write a reply more than once.
    tail = _plain_ids(tokenizer, text[text.rindex(mark) + len(mark) :])
    added = _added(tokenizer)
    # White space can be an added token too (Gemma's, Phi's): it closes nothing.
    return next((i for i in tail if not added.get(i, " ").isspace()), None)


def _control_ids(tokenizer: PreTrainedTokenizerBase, used: bool = False) -> frozenset[int]:
    """The tokens that no person can write: all special ones, and the others among the added that
    the template writes. `used`: only those that it writes."""

    def measure() -> frozenset[int]:
        written: set[int] = set()
        if tokenizer.chat_template:
            # Between them every piece of a template is written: a system turn, a turn that closes,
            # one that opens, with and without the start of a reply.
            for roles in (("user",), ("system", "user"), ("user", "assistant", "user")):
                turns = [Message(role=role, content="word") for role in roles]
                for reply in (True, False):
                    try:
                        text = _rendered(tokenizer, turns, reply=reply)
                    except PromptRefused:
                        continue
                    written.update(_plain_ids(tokenizer, text))
        added = _added(tokenizer)
        return frozenset(i for i in written if not added.get(i, " ").isspace())

    written = frozenset(_probed(tokenizer, "written", measure))
    if used:
        return written
    # Kept, for this is asked of every text that is encoded.
    return frozenset(_probed(tokenizer, "controls", lambda: written | _unwritable(tokenizer)))


def _unwritable(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Special tokens, but for what merely stands for characters that the vocabulary lacks."""
    unknown = tokenizer.unk_token_id
    ends = {tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id}
    # The unknown token comes of letters that a vocabulary lacks: refusing those would refuse whole
    # languages. Where it is an end or padding as well (GPT-2) it stays one that nobody may write.
    return {i for i in _specials(tokenizer) if i != unknown or i in ends}


def _specials(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Every special token, by id; all_special_tokens names only those with a standard role."""
    added = tokenizer.added_tokens_decoder
    named = zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)
    return {i: token.content for i, token in added.items() if token.special} | dict(named)


def _added(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Every token that is matched in a text as a whole, special or not, by id."""
    added = {i: token.content for i, token in tokenizer.added_tokens_decoder.items()}
    return added | _specials(tokenizer)


def _disarm(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Break up control tokens that a person typed, so that nobody can forge a turn.

    A space goes behind the first character of each, found where the tokenizer itself finds them
    (its normaliser may see one in other letters), until it finds none. Raises PromptRefused.
    """
    own = _control_ids(tokenizer)
    # Taking one apart may put another together, from what stood on both sides; a vocabulary that
    # goes on so is refused after a few rounds.
    for _ in range(8):
        spans = _spans(tokenizer, text, own)
        if not spans:
            return text
        # From the back, so that the places before it stay right.
        for start, _end in reversed(spans):
            text = f"{text[: start + 1]} {text[start + 1 :]}"
    raise PromptRefused("it holds a control token that cannot be written as text")


def _spans(
    tokenizer: PreTrainedTokenizerBase, text: str, own: frozenset[int]
) -> list[tuple[int, int]]:
    """Where control tokens stand in a text, first to last."""
    if tokenizer.is_fast:
        found = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        pairs = zip(found["input_ids"], found["offset_mapping"], strict=True)
        return sorted({(start, end) for i, (start, end) in pairs if i in own})
    # Slow tokenizers tell no offsets. Their tokens are found by their letters, overlapping ones
    # too: one too many is taken apart rather than one too few.
    contents = [content for i, content in _added(tokenizer).items() if i in own]
    return sorted(
        {
            (at, at + len(content))
            for content in contents
            for at in range(len(text))
            if text.startswith(content, at)
        }
    )
