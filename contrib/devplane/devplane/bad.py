"""An error that handlers raise."""


class Bad(Exception):
    """The client did not keep to the protocol; the text says how."""

    def __init__(self, text, status=400):
        super().__init__(text)
        self.status = status
