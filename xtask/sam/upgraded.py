"""Checks the way from a release whose lists had other indexes, as docs/deploy.md tells it: with each value of ListIndexes in
turn, one index is made or dropped, and the query function can read lists while its versions before and after run side by side.
"""

import argparse
import json
import pathlib
import sys
import tempfile

from translated import Stack, translated, with_code

# Of the release before.
BEFORE = {"by_owner", "by_state"}
# What the query function reads, by its setting.
READS = {"whole": {"by_owner", "by_state"}, "keys": {"keys_by_owner", "keys_by_state"}}


def main():
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--template", type=pathlib.Path, required=True)
    with tempfile.TemporaryDirectory() as folder:
        template = pathlib.Path(folder) / "template.yaml"
        template.write_text(with_code(given.parse_args().template.read_text()))
        sys.exit("\n".join(faults(template)) or None)


def faults(template):
    before, read_before = BEFORE, READS["whole"]
    for step in (1, 2, 3, 4):
        stack = Stack(*translated(template, "waybill", ListIndexes=step))
        table = stack.of_type("AWS::DynamoDB::Table")["ReadModelsTable"]
        indexes = {index["IndexName"] for index in table["GlobalSecondaryIndexes"]}
        read = READS[stack.of_type("AWS::Lambda::Function")["Query"]["Environment"]["Variables"]["LIST_INDEXES"]]
        rights = json.dumps(stack.of_type("AWS::IAM::Role")["QueryRole"]["Policies"])
        if len(changed := indexes ^ before) != 1:
            yield f"ListIndexes={step} makes or drops {sorted(changed)}, and CloudFormation takes one at a time"
        for index in sorted(read | read_before):
            if index not in indexes:
                yield f"with ListIndexes={step}, lists are read from {index}, which is not there"
            if f'/index/{index}"' not in rights:
                yield f"with ListIndexes={step}, the query function has no right to {index}"
        before, read_before = indexes, read
    if before != READS["keys"]:
        yield f"in the end there are {sorted(before)}"


if __name__ == "__main__":
    main()
