"""An init that takes five seconds, whatever it does in them."""
import time

import app

time.sleep(5)
handler = app.handler
