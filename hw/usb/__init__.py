"""USB in gateware: a vendor-class device with a pair of bulk endpoints, on LUNA's core."""
