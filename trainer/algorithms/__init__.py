"""The three training algorithms in pure PyTorch: a snapshot file in, a checkpoint folder out.

Read `losses` first, then `sft`, `reward` and `ppo` top to bottom. Nothing here knows Django.
"""
