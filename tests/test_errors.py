"""A user's mistake is one line."""

from hornbook.errors import UserError, nearest, unknown


def test_one_line_whatever_the_value_holds() -> None:
    assert (
        str(UserError("no such file 'a\nb'", choices=["x", "y"], hint="z"))
        == "no such file 'a b' (choices: x, y); hint: z"
    )


def test_nearest() -> None:
    assert nearest("shakespear", ["shakespeare-char", "village"]) == "shakespeare-char"
    assert nearest("zzz", ["village"]) is None
    assert "did you mean 'village'?" in str(unknown("corpus", "vilage", ["village", "verdict"]))
