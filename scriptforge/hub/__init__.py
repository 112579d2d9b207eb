"""Models on the Hugging Face Hub: pushing a run, and pulling a model as a run that is safe to use.

    result = pull(workspace, "owner/name")
    results = push(workspace, run, PushOptions(repository="owner/name"))

Only files that scriptforge writes are sent or accepted. A pulled file is not used until its hash matches the
commit and its contents have been checked.
"""
