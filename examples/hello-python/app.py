# Hello from Python.
# Runtime: python3.11 (any python3.x); handler: app.handler
# Event: {"name": "..."}


def handler(event, context):
    name = event.get("name") or "world"
    print("greeting", name)
    return {"message": f"Hello, {name}!", "remaining_ms": context.get_remaining_time_in_millis()}
