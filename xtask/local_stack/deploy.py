"""Deploys template.yaml on the local stack, with functions that are built already.

What `sam build` and `sam deploy` do for AWS, cut down to what a server on this machine needs: each
function's folder goes to S3 as a zip, the template, adapted, names the zips, CloudFormation makes the stack.
"""

import argparse
import io
import json
import pathlib
import sys
import zipfile

import boto3
from botocore.exceptions import WaiterError

from adapted import adapted, loaded, nodes

BUCKET = "artifacts"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--template", required=True, type=pathlib.Path)
    options.add_argument("--functions", required=True, type=pathlib.Path, help="folder of <function>/bootstrap")
    options.add_argument("--stack-name", required=True)
    options.add_argument("--tag", required=True, help="NAME=VALUE")
    options.add_argument("parameters", nargs="*", help="NAME=VALUE")
    given = options.parse_args()

    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)

    def uploaded(binary):
        key = f"{binary}.zip"
        s3.put_object(Bucket=BUCKET, Key=key, Body=zipped(given.functions / binary / "bootstrap"))
        return f"s3://{BUCKET}/{key}"

    def uploaded_template(file):
        body = json.dumps(loaded(given.template.with_name(file)))
        s3.put_object(Bucket=BUCKET, Key=f"{file}.json", Body=body)
        return f"{s3.meta.endpoint_url}/{BUCKET}/{file}.json"

    template = adapted(given.template)
    for binary, function in functions_of(template):
        if isinstance(binary, str):
            function["Properties"]["CodeUri"] = uploaded(binary)
    # Their functions are in one loop, which looks for the place of the code in this table.
    for row in template["Mappings"]["Subscribers"].values():
        row["Code"] = uploaded(row["Function"])
    # Nested stacks that are left.
    for node in nodes(template["Resources"]):
        if node.get("Type") == "AWS::CloudFormation::Stack":
            node["Properties"]["TemplateURL"] = uploaded_template(node["Properties"]["TemplateURL"])
    s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template))

    parameters = (parameter.split("=", 1) for parameter in given.parameters)
    name, _, value = given.tag.partition("=")
    create_stack(
        boto3.client("cloudformation"),
        StackName=given.stack_name,
        TemplateURL=f"{s3.meta.endpoint_url}/{BUCKET}/template.json",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters],
        Tags=[{"Key": name, "Value": value}],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )


def functions_of(template):
    """Every function with its binary's name."""
    for node in nodes(template):
        if node.get("Type") == "AWS::Serverless::Function":
            yield node["Metadata"]["BuildProperties"]["Binary"], node


def zipped(bootstrap):
    buffer = io.BytesIO()
    entry = zipfile.ZipInfo("bootstrap")  # no date: the same binary makes the same zip
    entry.external_attr = 0o755 << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, bootstrap.read_bytes())
    return buffer.getvalue()


def create_stack(cloudformation, **request):
    name = request["StackName"]
    cloudformation.create_stack(**request)
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
    except WaiterError:
        for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
            if event["ResourceStatus"].endswith("FAILED"):
                reason = event.get("ResourceStatusReason", "no reason given")
                print(f"{event['LogicalResourceId']}: {reason}", file=sys.stderr)
        sys.exit(f"the stack {name} could not be created")


if __name__ == "__main__":
    main()
