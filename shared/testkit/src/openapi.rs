//! `openapi.yaml`, to hold answers against: of the handlers in process, and of the deployed API.

use std::sync::LazyLock;

use http::StatusCode;
use http::response::Parts;
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Value, json};

/// The API's description.
pub struct Description(pub Value);

static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| {
    let documents = Yaml::load_from_str(include_str!("../../../openapi.yaml")).expect("openapi.yaml is YAML");
    let [document] = &documents[..] else { panic!("openapi.yaml is one document") };
    Description(to_json(document))
});

impl Description {
    /// As it is in this checkout.
    pub fn read() -> &'static Self {
        &DESCRIPTION
    }

    /// The path's item, by the most literal template that fits.
    pub fn path(&self, path: &str) -> Option<(&str, &Value)> {
        let fits = |template: &str| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template.zip(path).all(|(part, segment)| part == segment || part.starts_with('{'))
        };
        let templates = self.0["paths"].as_object().expect("paths").iter();
        let fitting = templates.filter(|(template, _)| fits(template));
        fitting
            .min_by_key(|(template, _)| template.matches('{').count())
            .map(|(template, item)| (template.as_str(), item))
    }

    /// Follows `$ref`, if that is what it is.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
            Some(pointer) => self.0.pointer(pointer).unwrap_or_else(|| panic!("openapi.yaml has no {pointer}")),
            None => value,
        }
    }

    /// Panics unless this is an answer that the description promises.
    pub fn hold(&self, method: &str, path: &str, answer: &Parts, body: &str) {
        let path = if path == "/" { path } else { path.trim_end_matches('/') };
        let said = || format!("{method} {path} answered {}\n{:#?}\n{body}", answer.status, answer.headers);
        let Some((template, item)) = self.path(path) else {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "openapi.yaml has no such path: {}", said());
            return self.hold_problem(body, &said);
        };
        // HEAD is GET without the content (RFC 9110, section 9.3.2).
        let head = method == "HEAD";
        let name = if head { "get".to_owned() } else { method.to_ascii_lowercase() };
        let Some(operation) = item.get(&name) else {
            assert!(matches!(answer.status.as_u16(), 404 | 405), "{template} has no such method: {}", said());
            let allows = answer.headers.contains_key("allow");
            assert_eq!(allows, answer.status == StatusCode::METHOD_NOT_ALLOWED, "which methods are there? {}", said());
            if !head {
                self.hold_problem(body, &said);
            }
            return;
        };
        let described = &operation["responses"][answer.status.as_str()];
        assert!(!described.is_null(), "openapi.yaml does not say so: {}", said());
        let described = self.resolve(described);
        for (name, header) in described["headers"].as_object().into_iter().flatten() {
            let header = self.resolve(header);
            match answer.headers.get(name).map(|value| value.to_str().expect("a header's value is text")) {
                None => assert!(header["required"] != true, "the header {name} is missing: {}", said()),
                Some(value) => {
                    let number = value.parse::<u64>().map(Value::from);
                    let value = if header["schema"]["type"] == "integer" { number.ok() } else { Some(json!(value)) };
                    self.hold_value(&header["schema"], &value.unwrap_or_default(), &said);
                }
            }
        }
        let content = &described["content"];
        let minimal = answer.headers.get("preference-applied").is_some_and(|applied| applied == "return=minimal");
        if content.is_null() || minimal || head {
            // Whatever media type a gateway gives to nothing.
            assert_eq!(body, "", "there is no content: {}", said());
            return;
        }
        let media_type = answer.headers.get("content-type").map(|value| value.to_str().expect("text"));
        let content = &content[media_type.unwrap_or_else(|| panic!("of no media type: {}", said()))];
        assert!(!content.is_null(), "openapi.yaml does not promise its media type: {}", said());
        let value = match media_type {
            Some("application/yaml") => json!(body),
            _ => serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {}", said())),
        };
        self.hold_value(&content["schema"], &value, &said);
    }

    fn hold_problem(&self, body: &str, said: &dyn Fn() -> String) {
        let problem = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {}", said()));
        self.hold_value(&json!({ "$ref": "#/components/schemas/Problem" }), &problem, said);
    }

    /// Panics unless the schema, which may refer to the description's components, accepts the value.
    pub fn hold_value(&self, schema: &Value, value: &Value, said: &dyn Fn() -> String) {
        let document = json!({ "allOf": [schema], "components": self.0["components"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&document);
        let validator = validator.unwrap_or_else(|error| panic!("openapi.yaml: {error} in {schema:#}"));
        let errors: Vec<_> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}\nin {schema:#}\n{}", said());
    }
}

fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Sequence(values) => values.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => {
            let name = |name: &Yaml<'_>| name.as_str().expect("names are text").to_owned();
            Value::Object(entries.iter().map(|(key, value)| (name(key), to_json(value))).collect())
        }
        other => panic!("openapi.yaml does without {other:?}"),
    }
}
