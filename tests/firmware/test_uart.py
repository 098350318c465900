"""firmware.uart: what a UART link's rate is on the wire."""

from trine.firmware.configuration import UART_3M, UART_6M
from trine.firmware.uart import baud_rate


def test_baud_rate():
    assert [baud_rate(UART_3M), baud_rate(UART_6M)] == [3_000_000, 6_000_000]
