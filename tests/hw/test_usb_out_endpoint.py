"""hw.usb.out_endpoint; what the bus makes of it is in test_usb_device."""

import pytest

from trine.hw.usb.out_endpoint import OutEndpoint


@pytest.mark.parametrize("number", [0, 16])
def test_init_wrong_number(number):
    with pytest.raises(ValueError, match=rf"^number must be 1 to 15, not {number}$"):
        OutEndpoint(number, 64)
