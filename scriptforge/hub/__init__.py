"""Models on the Hugging Face Hub: pushed from a run, and pulled into one that is safe to use.

    result = pull(workspace, "owner/name")
    results = push(workspace, run, PushOptions(repository="owner/name"))

Only files that this package writes are sent or accepted. Nothing of a repository is used before it proves to
be what its commit says and what this package would have written.
"""
