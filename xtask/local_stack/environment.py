"""Prints the variables that a function has on a local stack, as `NAME=value` lines, for running it by hand beside it."""

import argparse
import json
import pathlib
import shlex
import sys

import boto3

# Where the stack's AWS is. A function by hand has all rights; on the stack it has its role's.
OF_THE_STACK = {
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_REGION": "region",
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
}


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", required=True, type=pathlib.Path, help="the JSON file that describe.py wrote")
    options.add_argument("function", help="as in ingest, or orders-command-handler")
    given = options.parse_args()
    stack = json.loads(given.stack.read_text())
    client = boto3.client("lambda", endpoint_url=stack["endpoint"])
    prefix = f"{stack['stack_name']}-"
    pages = client.get_paginator("list_functions").paginate()
    functions = {
        function["FunctionName"].removeprefix(prefix): function for page in pages for function in page["Functions"]
    }
    if given.function not in functions:
        sys.exit(f"there is no function {given.function}; there are {', '.join(sorted(functions))}")
    variables = functions[given.function]["Environment"]["Variables"]
    # No function reads it: it is there so that a parameter's change makes a new version.
    variables.pop("PARAMETERS", None)
    for name, value in sorted((variables | {name: stack[key] for name, key in OF_THE_STACK.items()}).items()):
        # Shells read it, and what reads files for them, as `cargo lambda watch --env-file` does.
        print(f"{name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
