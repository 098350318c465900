"""The framed link: receiver, transmitter and the requests between them."""
