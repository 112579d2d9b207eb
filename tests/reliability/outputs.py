"""H: what goes out, by whatever door: to terminals and shells, into files, to a Hub."""

from support.campaign import Part, share

from reliability import canaries, injected, pasted, printed_matter


def long_attack(most: int | None = None) -> list[Part]:
    """Make all attacks of the letter in their long forms, or each with so many commands or texts."""
    attacks = (canaries, injected, pasted, printed_matter)
    return [part for each in share(attacks) for part in each.long_attack(most)]
