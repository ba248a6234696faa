"""One labeler at one task: claim, draft, submit, amend."""
