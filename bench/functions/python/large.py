"""190 MB that init made, as a loaded model or table would be; each call looks at a part of it."""
import app

BLOCKS = [bytes([n + 1]) * (1 << 20) for n in range(190)]


def handler(event, context):
    block = BLOCKS[event["n"] * 7 % 190]
    assert block[0] == block[-1] == event["n"] * 7 % 190 + 1
    return app.handler(event, context)
