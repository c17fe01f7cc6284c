"""template.yaml as the local stack needs it: what it lacks is left out, what it asks for besides is added, and waits are
shorter, so that no test is held up. As a script: changes a template that `sam build` has written.
"""

import argparse
import json
import pathlib

import yaml

# Here, a batch is a right of its own. On AWS, the right to one covers it.
BATCHES = {
    "sns:Publish": "sns:PublishBatch",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
    "sqs:DeleteMessage": "sqs:DeleteMessageBatch",
    "sqs:SendMessage": "sqs:SendMessageBatch",
}

# Here, who may send a mail may send it as anybody: rights name no identity, and conditions are not known.
MAILS = {"Sid": "OnlyLocal", "Effect": "Allow", "Action": ["ses:SendEmail"], "Resource": "*"}

# In place of parameters, which are texts here, and a source takes a number.
CONCURRENCY = {"UpdaterConcurrency": 4}
OTHERS_CONCURRENCY = 2

# How much shorter timeouts and the times are for which messages stay hidden.
SHORTER = 6

# Sweeps that are due every minute are due each time that the local stack looks at its schedules: every ten seconds.
EACH_MINUTE, EACH_LOOK = "rate(1 minutes)", "rate(0 minutes)"

# Whose timeouts stay: they wait for others' answers.
PATIENT = {"webhook-sender"}


# Nested stacks with functions, each after those whose outputs it needs.
WITH_FUNCTIONS = ("LiveStack", "PagesStack")
# The API of the first one, and its id, with which the server is to be reached.
LIVE_API = "WebSocketApi"
LIVE_API_ID = "waybill-live"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("template", type=pathlib.Path)
    file = options.parse_args().template
    file.write_text(json.dumps(adapted(file), indent=2))


def adapted(file):
    """The template in this file, changed."""
    template = loaded(file)
    # Nobody is to be woken; see metrics.py for the metrics that there are.
    del template["Resources"]["Observability"]
    for name in WITH_FUNCTIONS:
        put_in(template, name, file.parent)
    # What makes trouble here: see trouble.py.
    template["Parameters"]["TroubleUrl"] = {"Type": "String"}
    template["Resources"]["Pages"]["Properties"]["Environment"]["Variables"]["TROUBLE_URL"] = {"Ref": "TroubleUrl"}
    template["Resources"][LIVE_API]["Properties"]["Tags"] = {"ms-custom-id": LIVE_API_ID}
    # Here, clients and functions reach an API at one place: that of the WebSockets, by HTTP.
    at = {"Fn::Join": ["", ["http:", {"Fn::Select": [1, {"Fn::Split": ["ws:", {"Ref": "WebSocketUrl"}]}]}]]}
    for node in nodes(template["Resources"]):
        if "CONNECTIONS_URL" in node:
            node["CONNECTIONS_URL"] = at
        if "AllowOrigins" in node:
            # Here, what CloudFormation hands to the gateway is read in the gateway's own words.
            for name in list(node):
                node[name[0].lower() + name[1:]] = node.pop(name)
    for node in nodes(template["Resources"]):
        if any(statement.get("Action") == "ses:SendEmail" for statement in node.get("Statement", [])):
            node["Statement"].append(dict(MAILS))
        properties = node.get("Properties", {})
        if "Effect" in node and "Action" in node:
            node["Action"] = with_batches(node["Action"])
        if "MaximumConcurrency" in node:
            limit = node["MaximumConcurrency"]
            node["MaximumConcurrency"] = CONCURRENCY.get(limit["Ref"], OTHERS_CONCURRENCY) if isinstance(limit, dict) else limit
        if node.get("Type") == "AWS::SQS::Queue" and "VisibilityTimeout" in properties:
            properties["VisibilityTimeout"] //= SHORTER
        if properties.get("ScheduleExpression") == EACH_MINUTE:
            properties["ScheduleExpression"] = EACH_LOOK
        if node.get("Type") == "AWS::Serverless::Function" and "Events" in properties:
            # A subscriber's is a reference to a table.
            if str(node["Metadata"]["BuildProperties"]["Binary"]) not in PATIENT:
                properties["Timeout"] //= SHORTER
    return template


def put_in(template, name, folder):
    """Puts what a nested stack has into the template itself: nested ones are not transformed here."""
    stack = template["Resources"].pop(name)["Properties"]
    file = folder / stack["TemplateURL"]
    given = stack["Parameters"]
    nested = filled_in({key: value for key, value in loaded(file).items() if key != "Parameters"}, given)
    for function in nodes(nested["Resources"]):
        code = function.get("Properties", {}).get("CodeUri")
        if isinstance(code, str) and file.parent != folder:
            function["Properties"]["CodeUri"] = str((file.parent / code).relative_to(folder))
    for part in ("Conditions", "Resources"):
        twice = template[part].keys() & nested[part].keys()
        assert not twice, f"{name} and the template that it is put into both have {twice}"
        template[part] |= nested[part]
    for node in nodes([template["Outputs"], template["Resources"]]):
        if name in node.get("DependsOn", []):
            node["DependsOn"] = [one for one in node["DependsOn"] if one != name] + list(nested["Resources"])
    outputs = {f"Outputs.{key}": output["Value"] for key, output in nested.get("Outputs", {}).items()}
    for part in ("Outputs", "Resources"):
        template[part] = with_outputs(template[part], name, outputs)


def with_outputs(node, name, outputs):
    """A template's part, with the outputs of the nested stack of this name."""
    if isinstance(node, list):
        return [with_outputs(member, name, outputs) for member in node]
    if not isinstance(node, dict):
        return node
    got = node.get("Fn::GetAtt", [None])
    if got[0] == name:
        return outputs[got[1]]
    return {key: with_outputs(value, name, outputs) for key, value in node.items()}


def filled_in(node, given):
    """A template's part, with its parameters' values."""
    if isinstance(node, list):
        return [filled_in(member, given) for member in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"Ref"} and node["Ref"] in given:
        return given[node["Ref"]]
    if node.keys() == {"Fn::Sub"} and isinstance(node["Fn::Sub"], str):
        values = {name: value for name, value in given.items() if f"${{{name}}}" in node["Fn::Sub"]}
        return {"Fn::Sub": [node["Fn::Sub"], values]} if values else node
    return {key: filled_in(value, given) for key, value in node.items()}


def with_batches(action):
    if isinstance(action, dict):
        # From a table, for DynamoDB.
        return action
    actions = action if isinstance(action, list) else [action]
    return actions + [BATCHES[one] for one in actions if one in BATCHES]


def nodes(node):
    """Every mapping in it, those inside an Fn::ForEach included."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for member in node:
            yield from nodes(member)


def loaded(file):
    return yaml.load(file.read_text(), Loader=CloudFormationLoader)


class CloudFormationLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (`!Sub`, `!Ref`, …), read as their long forms."""

    def long_form(self, suffix, node):
        if isinstance(node, yaml.ScalarNode):
            value = self.construct_scalar(node)
            if suffix == "GetAtt":
                value = value.split(".", 1)
        elif isinstance(node, yaml.SequenceNode):
            value = self.construct_sequence(node, deep=True)
        else:
            value = self.construct_mapping(node, deep=True)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


CloudFormationLoader.add_multi_constructor("!", CloudFormationLoader.long_form)


if __name__ == "__main__":
    main()
