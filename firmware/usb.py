"""How a device presents itself on USB: gateware, host, udev rule, twin and documentation read this file.

One configuration, one interface of the vendor class, one pair of bulk endpoints that carry the link's bytes
(firmware.link). Where a transfer ends on the bus means nothing: frames have lengths of their own.
"""

VENDOR_ID, PRODUCT_ID = 0x1209, 0x0001
"""pid.codes' identifiers for development and tests (https://pid.codes/1209/0001/): shared by everybody's prototypes, so
a device is known by its strings too. Who sells devices has to ask pid.codes for a product id of their own, which is
free for open hardware."""

MANUFACTURER = "trine"
PRODUCT = "trine ternary accelerator"
INTERFACE_NAME = "trine link"

INTERFACE = 0
INTERFACE_CLASS = 0xFF
"""Class, subclass and protocol of the interface: the vendor's own."""

ENDPOINT_OUT, ENDPOINT_IN = 0x01, 0x81
FULL_SPEED_PACKET, HIGH_SPEED_PACKET = 64, 512
"""Bytes of a full bulk packet (USB 2.0, 5.8.3)."""
