"""Gives tenants and operators of events/registry/ their credentials and registry items, on a deployed local stack.

A tenant gets an app client, and a user whose attribute names the tenant; an operator gets a client as well, for
scripts, and a user, for the console. All are added to the description that describe.py wrote. The steps are those to
take on AWS: make an app client, let the authorizer accept it, write the registry.
"""

import argparse
import json
import pathlib
import secrets
import sys

import boto3

# Tenants that a client of the template's own serves: the output with its id.
CLIENTS_OF_THE_TEMPLATE = {"demo": "ClientId", "system": "CheckClientId"}


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", required=True, type=pathlib.Path, help="the JSON file that describe.py wrote")
    options.add_argument(
        "--registry", required=True, type=pathlib.Path, help="folder of <tenant>-tenant.json and <name>-operator.json"
    )
    given = options.parse_args()

    stack = json.loads(given.stack.read_text())
    cognito = boto3.client("cognito-idp", endpoint_url=stack["endpoint"])
    dynamodb = boto3.client("dynamodb", endpoint_url=stack["endpoint"])

    def register(file, **ids):
        for item in json.loads(file.read_text()):
            dynamodb.put_item(TableName=stack["tables"]["registry"], Item=registry_item(item, ids))

    stack["users_client"] = new_users_client(cognito, stack)
    stack["tenants"] = {}
    for file in sorted(given.registry.glob("*-tenant.json")):
        tenant = file.stem.removesuffix("-tenant")
        client = client_of(tenant, cognito, stack)
        register(file, client_id=client["client_id"])
        user, sub = new_user(f"{tenant}-user", cognito, stack, tenant)
        stack["tenants"][tenant] = client | {"user": user | {"sub": sub}}

    stack["operators"] = {}
    for file in sorted(given.registry.glob("*-operator.json")):
        client = new_client(file.stem, ["waybill/operate"], cognito, stack)
        user, sub = new_user(file.stem, cognito, stack)
        register(file, client_id=client["client_id"], user=sub)
        stack["operators"][file.stem.removesuffix("-operator")] = user | client

    accept_clients(stack)
    given.stack.write_text(json.dumps(stack, indent=2) + "\n")


def client_of(tenant, cognito, stack):
    """The one that the template made for this tenant, or a new one."""
    if tenant not in CLIENTS_OF_THE_TEMPLATE:
        return new_client(tenant, ["waybill/submit", "waybill/read"], cognito, stack)
    client_id = stack["outputs"][CLIENTS_OF_THE_TEMPLATE[tenant]]
    return credentials_of(cognito.describe_user_pool_client(UserPoolId=stack["user_pool_id"], ClientId=client_id))


def new_client(name, scopes, cognito, stack):
    return credentials_of(
        cognito.create_user_pool_client(
            UserPoolId=stack["user_pool_id"],
            ClientName=name,
            GenerateSecret=True,
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=scopes,
            ExplicitAuthFlows=["ALLOW_REFRESH_TOKEN_AUTH"],
            WriteAttributes=["email"],
        )
    )


def new_users_client(cognito, stack):
    """The application that users of all tenants sign in through. It writes no attribute but the e-mail address."""
    callback = "http://localhost/signed-in"
    answer = cognito.create_user_pool_client(
        UserPoolId=stack["user_pool_id"],
        ClientName="users",
        GenerateSecret=True,
        SupportedIdentityProviders=["COGNITO"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid", "waybill/submit", "waybill/read"],
        CallbackURLs=[callback],
        WriteAttributes=["email"],
    )
    return credentials_of(answer) | {"callback_url": callback}


def credentials_of(answer):
    client = answer["UserPoolClient"]
    return {"client_id": client["ClientId"], "client_secret": client["ClientSecret"]}


def new_user(name, cognito, stack, tenant=None):
    """A user with a password that need not be changed, and the `sub` that tokens know them by."""
    attributes = [{"Name": "custom:tenant", "Value": tenant}] if tenant else []
    pool = stack["user_pool_id"]
    # Cognito asks for a letter of either case, a digit and another character.
    password = f"Aa1-{secrets.token_urlsafe(12)}"
    user = cognito.admin_create_user(
        UserPoolId=pool, Username=name, UserAttributes=attributes, MessageAction="SUPPRESS"
    )["User"]
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
    sub = next(attribute["Value"] for attribute in user["Attributes"] if attribute["Name"] == "sub")
    return {"username": name, "password": password}, sub


def registry_item(item, ids):
    """A DynamoDB item of strings, with the ids filled in; what is not a string in the file is kept as JSON."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in item.items()}
    for name, value in ids.items():
        texts = {attribute: text.replace(f"{{{name}}}", value) for attribute, text in texts.items()}
    return {name: {"S": text} for name, text in texts.items()}


def accept_clients(stack):
    """Those that the template did not make."""
    clients = [stack["users_client"], *stack["tenants"].values(), *stack["operators"].values()]
    of_the_template = {stack["outputs"][output] for output in CLIENTS_OF_THE_TEMPLATE.values()}
    further = [client["client_id"] for client in clients if client["client_id"] not in of_the_template]
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
