import pytest

from trine.host.errors import (
    BuildError,
    DeviceError,
    MismatchError,
    SetupError,
    TrineError,
    UsageError,
    bad_input,
    one_line_failures,
)


@pytest.mark.parametrize(("error", "code"), [(DeviceError, 1), (MismatchError, 1), (UsageError, 2), (BuildError, 3),
                                             (SetupError, 4)])
def test_exit_codes(error, code):
    assert issubclass(error, TrineError)
    assert error.exit_code == code


def test_bad_input_keeps_the_message():
    with pytest.raises(UsageError, match=r"^lanes must be 4$"), bad_input():
        raise ValueError("lanes must be 4")


def test_bad_input_names_the_file(tmp_path):
    with pytest.raises(UsageError, match=r"nothing\.txt: No such file or directory"), bad_input():
        (tmp_path / "nothing.txt").read_text()


def test_bad_input_leaves_the_rest_alone():
    with pytest.raises(KeyError), bad_input():
        raise KeyError("a defect, not bad input")


@pytest.mark.parametrize("error", [DeviceError, UsageError, SetupError])
def test_one_line_failures(capsys, error):
    with pytest.raises(SystemExit) as ended, one_line_failures("script.py"):
        raise error("the cable\n\nis out")
    assert ended.value.code == error.exit_code
    assert capsys.readouterr() == ("", "script.py: the cable is out\n")


def test_one_line_failures_of_ctrl_c(capsys):
    with pytest.raises(SystemExit) as ended, one_line_failures("script.py"):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_one_line_failures_leaves_the_rest_alone():
    with pytest.raises(KeyError), one_line_failures("script.py"):
        raise KeyError("a defect")
