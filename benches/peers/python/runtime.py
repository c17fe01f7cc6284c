"""The loop of a Lambda runtime, as short as it can be."""

import http.client
import json
import os
import time
from types import SimpleNamespace

from handler import handler

BASE = "/2018-06-01/runtime/invocation/"
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def call(method, path, body=None):
    api.request(method, BASE + path, body)
    answer = api.getresponse()
    return answer.headers, answer.read()


while True:
    headers, event = call("GET", "next")
    request_id, deadline = headers["Lambda-Runtime-Aws-Request-Id"], int(headers["Lambda-Runtime-Deadline-Ms"])
    context = SimpleNamespace(
        aws_request_id=request_id,
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        invoked_function_arn=headers["Lambda-Runtime-Invoked-Function-Arn"],
        memory_limit_in_mb=256,
        get_remaining_time_in_millis=lambda deadline=deadline: deadline - int(time.time() * 1000),
    )
    call("POST", f"{request_id}/response", json.dumps(handler(json.loads(event), context)))
