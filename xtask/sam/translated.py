"""template.yaml as CloudFormation gets it after its transforms, and with everything in it filled in.

The transforms are the ones that run on AWS, as far as they can be had: SAM CLI's language extensions, and the SAM
translator. Conditions, mappings and functions are then evaluated here, and what only AWS knows (an ARN, an id) is made
up in its real form and length.
"""

import logging
import os
import pathlib
import re

from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

# The translator tells of features of its own that are not switched on.
logging.disable(logging.WARNING)

REGION = "us-east-1"
ACCOUNT = "123456789012"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::NoValue": None,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}


def translated(file: pathlib.Path, stack_name: str, **given) -> tuple[dict, dict]:
    """The template after its transforms, and the values of its parameters, those that are not given by default."""
    # The translator asks boto3 for it.
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    template = yaml_parse(file.read_text())
    defaults = {name: of["Default"] for name, of in template["Parameters"].items() if "Default" in of}
    values = {name: str(value) for name, value in (defaults | given).items()}
    values |= {name: value for name, value in PSEUDO.items() if value is not None}
    values["AWS::StackName"] = stack_name
    values["AWS::StackId"] = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack_name}/{'0' * 36}"
    expanded = expand_language_extensions(template, parameter_values=values, enabled=True).expanded_template
    if "AWS::Serverless-2016-10-31" in listed(expanded.get("Transform", [])):
        expanded = Translator(None, Parser()).translate(expanded, parameter_values=values)
    return expanded, values


def with_code(text: str) -> str:
    """A template, with all code in S3."""
    code = f"s3://{'b' * 63}/{'k' * 32}"
    text = re.sub(r"CodeUri: \.(?=[,\n])", f"CodeUri: {code}", text)
    return text.replace("DefaultValue: .]", f'DefaultValue: "{code}"]')


def listed(value):
    return value if isinstance(value, list) else [value]


class Stack:
    """A translated template with all in it filled in. `resources` are those whose condition holds.

    Raises what CloudFormation would refuse: parameters against a rule, and a reference to what is not in the stack.
    """

    def __init__(self, template: dict, values: dict):
        self.template, self.values = template, values
        self.conditions = {name: self.resolve(of) for name, of in template.get("Conditions", {}).items()}
        for rule in template.get("Rules", {}).values():
            for assertion in rule["Assertions"]:
                if self.resolve(rule.get("RuleCondition", True)) and not self.resolve(assertion["Assert"]):
                    raise ValueError(assertion["AssertDescription"])
        present = lambda of: "Condition" not in of or self.conditions[of["Condition"]]
        self.present = {name: of for name, of in template["Resources"].items() if present(of)}
        self.resources = {
            name: {**of, "Properties": self.resolve(of.get("Properties", {}))} for name, of in self.present.items()
        }
        self.outputs = {
            name: self.resolve(of["Value"]) for name, of in template.get("Outputs", {}).items() if present(of)
        }

    def of_type(self, kind: str) -> dict:
        return {name: of["Properties"] for name, of in self.resources.items() if of["Type"] == kind}

    def resolve(self, node):
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not None]
        if isinstance(node, str):
            return self.substituted(node) if self.left_open(node) else node
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name in ("Ref", "Condition") or name.startswith("Fn::"):
                return self.function(name.removeprefix("Fn::"), argument)
        filled = {name: self.resolve(value) for name, value in node.items()}
        return {name: value for name, value in filled.items() if value is not None}

    def left_open(self, text: str) -> bool:
        """Whether an Fn::Sub was here. The language extensions make a text of it, with resources' names left open."""
        names = {name.split(".")[0] for name in re.findall(r"\$\{([^!}][^}]*)\}", text)}
        return bool(names) and names <= self.present.keys() | self.values.keys()

    def function(self, name: str, argument):
        match name:
            case "Ref":
                return self.reference(argument)
            case "GetAtt":
                return self.attribute(*(argument if isinstance(argument, list) else argument.split(".", 1)))
            case "If":
                return self.resolve(argument[1 if self.condition(argument[0]) else 2])
            case "Condition":
                return self.condition(argument)
            case "Equals":
                return self.resolve(argument[0]) == self.resolve(argument[1])
            case "Not":
                return not self.resolve(argument[0])
            case "And":
                return all(map(self.resolve, argument))
            case "Or":
                return any(map(self.resolve, argument))
            case "FindInMap":
                one, two, three = (self.resolve(part) for part in argument)
                return self.template["Mappings"][one][two][three]
            case "Join":
                return argument[0].join(map(str, self.resolve(argument[1])))
            case "Split":
                return self.resolve(argument[1]).split(argument[0])
            case "Select":
                return self.resolve(argument[1])[int(argument[0])]
            case "Sub":
                return self.substituted(argument)
            case "ToJsonString":
                return str(self.resolve(argument))
        raise ValueError(f"Fn::{name} is not known here")

    def condition(self, name: str) -> bool:
        return self.resolve(self.template["Conditions"][name])

    def substituted(self, argument) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def value(match):
            name = match.group(1)
            if name in own:
                return str(self.resolve(own[name]))
            return str(self.attribute(*name.split(".", 1)) if "." in name else self.reference(name))

        return re.sub(r"\$\{([^!}][^}]*)\}", value, text).replace("${!", "${")

    def reference(self, name: str):
        if name in self.values:
            return self.values[name]
        if name == "AWS::NoValue":
            return None
        return self.identity(name)[0]

    def attribute(self, name: str, attribute: str):
        if attribute in ("QueueName", "TopicName"):
            return self.resolve(self.present[name]["Properties"][attribute])
        arn = self.identity(name)[1]
        return arn if attribute.endswith("Arn") else f"{name}-{attribute}"

    def identity(self, name: str) -> tuple[str, str]:
        """What a resource's `Ref` gives, and its ARN."""
        kind, stack = self.present[name]["Type"], self.values["AWS::StackName"]
        properties = self.present[name].get("Properties", {})
        generated = f"{stack}-{name}-{'X' * 13}"
        arn = lambda service, what: f"arn:aws:{service}:{REGION}:{ACCOUNT}:{what}"
        match kind:
            case "AWS::SQS::Queue":
                queue = self.resolve(properties["QueueName"])
                return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}", arn("sqs", queue)
            case "AWS::SNS::Topic":
                topic = arn("sns", self.resolve(properties["TopicName"]))
                return topic, topic
            case "AWS::Lambda::Function":
                function = self.resolve(properties["FunctionName"])
                return function, arn("lambda", f"function:{function}")
            case "AWS::Lambda::Alias":
                function = arn("lambda", f"function:{self.resolve(properties['FunctionName'])}:{properties['Name']}")
                return function, function
            case "AWS::Lambda::Version":
                return arn("lambda", f"function:{self.resolve(properties['FunctionName'])}:1"), "1"
            case "AWS::DynamoDB::Table":
                return generated, arn("dynamodb", f"table/{generated}")
            case "AWS::Logs::LogGroup":
                group = self.resolve(properties["LogGroupName"])
                return group, arn("logs", f"log-group:{group}:*")
            case "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm":
                alarm = self.resolve(properties["AlarmName"])
                return alarm, arn("cloudwatch", f"alarm:{alarm}")
            case "AWS::IAM::Role":
                return generated[:64], f"arn:aws:iam::{ACCOUNT}:role/{generated[:64]}"
            case "AWS::S3::Bucket":
                return generated.lower(), f"arn:aws:s3:::{generated.lower()}"
            case "AWS::KinesisFirehose::DeliveryStream":
                stream = self.resolve(properties["DeliveryStreamName"])
                return stream, arn("firehose", f"deliverystream/{stream}")
            case "AWS::SecretsManager::Secret":
                secret = arn("secretsmanager", f"secret:{generated}-AbCdEf")
                return secret, secret
        return generated, arn(kind.split("::")[1].lower(), generated)
