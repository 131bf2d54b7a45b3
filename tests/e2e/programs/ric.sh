#!/bin/sh
exec /usr/bin/node /var/task/node_modules/aws-lambda-ric/index.mjs "$_HANDLER"
