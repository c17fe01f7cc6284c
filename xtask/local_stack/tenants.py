"""Gives each tenant of events/registry/ an app client and its registry items, on a deployed local stack.

Adds the tenants, with their clients' credentials, to the description that deploy.py wrote. The steps are
those an operator takes on AWS: make an app client, let the authorizer accept it, write the registry.
"""

import argparse
import json
import pathlib
import sys

import boto3

FIRST_TENANT = "demo"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", required=True, type=pathlib.Path, help="the JSON file that deploy.py wrote")
    options.add_argument("--registry", required=True, type=pathlib.Path, help="folder of <tenant>-tenant.json")
    given = options.parse_args()

    stack = json.loads(given.stack.read_text())
    cognito = boto3.client("cognito-idp", endpoint_url=stack["endpoint"])
    dynamodb = boto3.client("dynamodb", endpoint_url=stack["endpoint"])

    stack["tenants"] = {}
    for file in sorted(given.registry.glob("*-tenant.json")):
        tenant = file.stem.removesuffix("-tenant")
        client = client_of(tenant, cognito, stack)
        for item in json.loads(file.read_text()):
            dynamodb.put_item(TableName=stack["tables"]["registry"], Item=registry_item(item, client["client_id"]))
        stack["tenants"][tenant] = client

    accept_clients(stack)
    given.stack.write_text(json.dumps(stack, indent=2) + "\n")


def client_of(tenant, cognito, stack):
    """The template's own client serves the first tenant; the others get theirs."""
    pool = stack["user_pool_id"]
    if tenant == FIRST_TENANT:
        client = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=stack["outputs"]["ClientId"])
    else:
        client = cognito.create_user_pool_client(
            UserPoolId=pool,
            ClientName=tenant,
            GenerateSecret=True,
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=["waybill/submit", "waybill/read"],
        )
    client = client["UserPoolClient"]
    return {"client_id": client["ClientId"], "client_secret": client["ClientSecret"]}


def registry_item(item, client_id):
    """A DynamoDB item of strings; what is not a string in the file is kept as JSON."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in item.items()}
    return {name: {"S": text.replace("{client_id}", client_id)} for name, text in texts.items()}


def accept_clients(stack):
    further = [client["client_id"] for tenant, client in stack["tenants"].items() if tenant != FIRST_TENANT]
    if not further:
        return
    cloudformation = boto3.client("cloudformation", endpoint_url=stack["endpoint"])
    name = stack["stack_name"]
    deployed = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Parameters"]
    kept = [
        {"ParameterKey": parameter["ParameterKey"], "UsePreviousValue": True}
        for parameter in deployed
        if parameter["ParameterKey"] != "JwtAudience"
    ]
    cloudformation.update_stack(
        StackName=name,
        UsePreviousTemplate=True,
        Parameters=[*kept, {"ParameterKey": "JwtAudience", "ParameterValue": ",".join(further)}],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )


if __name__ == "__main__":
    sys.exit(main())
