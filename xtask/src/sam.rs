//! The deployment as `docs/deploy.md` tells it: `sam build`, `sam deploy`. Against a local AWS, and with functions that
//! are built already in the place of `cargo lambda build`.
//!
//! Everything happens in a copy of what SAM reads, so the checkout stays as it is, and the copy can be changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::local_stack::{LocalStack, STACK, in_local_aws};
use crate::processes;
use crate::scaffold::edit::insert_word;
use crate::steps::step;
use crate::tools::Environment;
use crate::workspace::Workspace;

/// Templates with loops: what is deployed, and the alarms, which are nested in it.
pub const TEMPLATES: [&str; 2] = ["template.yaml", "observability.yaml"];
/// Nested as well, without loops.
pub const NESTED: [&str; 3] = ["export.yaml", "live.yaml", "pages.yaml"];

/// What SAM calls for each function. It puts a script where cargo-lambda would build the program: the script starts the
/// program that is built already. SAM packs all functions for each deployment, which takes a second for each program.
const STAND_IN: &str = r#"#!/bin/sh
[ "$1" = lambda ] || exit 1
while [ $# -gt 0 ]; do
  [ "$1" = --bin ] && binary=$2
  shift
done
to="target/lambda/$binary/bootstrap"
mkdir -p "target/lambda/$binary"
printf '#!/bin/sh\nexec "%s"\n' "$FUNCTIONS/$binary/bootstrap" > "$to"
chmod +x "$to"
"#;

/// A context that no code knows: its queues, its function and their rights are there all the same.
const ANOTHER_CONTEXT: &str = "another";

/// A local stack that SAM has deployed: made, deployed again without a change, with another parameter, and with one
/// context more.
pub fn deployed(workspace: &Workspace, functions: &Path) -> Result<LocalStack> {
    let project = Project::copy(workspace, functions)?;
    LocalStack::deployed_by(workspace, None, |stack| {
        let parameters = stack.parameters();
        step("sam build", || project.build(&parameters))?;
        print!("{}", step("sam package", || project.package(&stack.endpoint))?);
        step("sam deploy, for the first time", || {
            project.adapt()?;
            let changes = project.deploy(stack, &parameters)?;
            ensure!(!changes.is_empty(), "nothing was deployed");
            Ok(())
        })?;
        step("sam deploy, without a change", || {
            let changes = project.deploy(stack, &parameters)?;
            ensure!(changes.is_empty(), "what is deployed twice changes nothing, but:\n{}", changes.join("\n"));
            Ok(())
        })?;
        step("sam deploy, with another parameter", || {
            let changes = project.deploy(stack, &[parameters.clone(), vec!["LogLevel=debug".to_owned()]].concat())?;
            let versions = changes.iter().filter(|line| line.starts_with('+') && line.contains("AWS::Lambda::Version"));
            let (versions, handlers) = (versions.count(), project.contexts()?);
            // One of the binaries is deployed for each context.
            let functions = workspace.functions.len() - 1 + handlers;
            ensure!(
                versions == functions,
                "{versions} of {functions} functions have a version with the new value:\n{}",
                changes.join("\n")
            );
            Ok(())
        })?;
        step("sam deploy, with one context more", || {
            project.add_context(ANOTHER_CONTEXT)?;
            project.build(&parameters)?;
            project.adapt()?;
            let changes = project.deploy(stack, &parameters)?;
            let queue = format!("{ANOTHER_CONTEXT}Commands");
            ensure!(changes.iter().any(|line| line.contains(&queue)), "{queue} is missing:\n{}", changes.join("\n"));
            Ok(())
        })
    })
}

/// A copy of what SAM reads of the project.
struct Project {
    sam: Environment,
    scripts: PathBuf,
    folder: PathBuf,
    functions: PathBuf,
}

impl Project {
    /// `functions` is a folder with a `bootstrap` for each.
    fn copy(workspace: &Workspace, functions: &Path) -> Result<Self> {
        let sam = step("install SAM", || Environment::of(workspace, "sam"))?;
        let folder = workspace.local_stack().join("sam");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let stand_in = folder.join("stand-in");
        fs::create_dir_all(&stand_in)?;
        for program in ["cargo", "cargo-lambda"] {
            let file = stand_in.join(program);
            fs::write(&file, STAND_IN)?;
            fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
        }
        for file in TEMPLATES.into_iter().chain(NESTED).chain(["samconfig.toml"]) {
            fs::copy(workspace.root.join(file), folder.join(file)).with_context(|| file.to_owned())?;
        }
        // SAM looks for it beside a function's code.
        fs::write(folder.join("Cargo.toml"), "")?;
        Ok(Self { sam, scripts: workspace.root.join("xtask"), folder, functions: functions.to_owned() })
    }

    /// One bounded context more, without a handler that knows it.
    fn add_context(&self, name: &str) -> Result<()> {
        for file in TEMPLATES.map(|file| self.folder.join(file)) {
            let text = insert_word(&fs::read_to_string(&file)?, "Context", name);
            fs::write(&file, text.with_context(|| format!("{} has no loop over contexts", file.display()))?)?;
        }
        Ok(())
    }

    /// How many contexts the template deploys.
    fn contexts(&self) -> Result<usize> {
        let template = fs::read_to_string(self.folder.join(TEMPLATES[0]))?;
        let list = template.lines().skip_while(|line| line.trim() != "- Context").nth(1);
        Ok(list.context("no loop over contexts")?.split(',').count())
    }

    fn build(&self, parameters: &[String]) -> Result<()> {
        let mut build = self.command("build");
        processes::keep(with_parameters(&mut build, parameters)).map(drop)
    }

    /// Makes what was built fit for the local stack.
    fn adapt(&self) -> Result<()> {
        let mut adapt = self.sam.command("python");
        in_local_aws(&mut adapt).arg(self.scripts.join("local_stack/adapted.py"));
        processes::keep(adapt.arg(self.folder.join(".aws-sam/build/template.yaml"))).map(drop)
    }

    /// Puts all code into the local AWS's S3, and checks that what CloudFormation gets then can be deployed: with the
    /// settings of a test and of production, and with whatever else makes another set of resources. Gives the report of
    /// the checks.
    fn package(&self, endpoint: &str) -> Result<String> {
        let packaged = self.folder.join("packaged.yaml");
        let mut package = self.command("package");
        package.args(["--resolve-s3", "--output-template-file"]).arg(&packaged);
        processes::keep(package.env("AWS_ENDPOINT_URL", endpoint))?;
        let mut report = String::new();
        let key = "KmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000";
        let certificate =
            "CertificateArn=arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000";
        let secret = "CheckSecretArn=arn:aws:secretsmanager:us-east-1:123456789012:secret:check-AbCdEf";
        let (production, staged) = ("Stage=production", "Rollout=Canary10Percent5Minutes");
        let provider = ["JwtIssuer=https://id.example.com", "JwtAudience=waybill"];
        for settings in [
            &["Stage=test"][..],
            &[production, staged],
            &[production, "Rollout=Emergency"],
            &[production, staged, key, "DomainName=api.example.com", certificate],
            &[production, staged, key, "EventExport=true"],
            &[production, staged, provider[0], provider[1]],
            &[production, staged, provider[0], provider[1], secret, key],
            &["Stage=test", "CheckMinutes=0", "Demo=true"],
        ] {
            let mut check = self.sam.command("python");
            in_local_aws(&mut check)
                .arg(self.scripts.join("sam/packaged.py"))
                .arg("--template")
                .arg(&packaged)
                .args(settings)
                .env("AWS_ENDPOINT_URL", endpoint);
            report += &processes::keep(&mut check)?;
        }
        Ok(report)
    }

    /// Gives the lines of the change set: what was added, modified or deleted. None: there was nothing to deploy.
    fn deploy(&self, stack: &LocalStack, parameters: &[String]) -> Result<Vec<String>> {
        let mut deploy = self.command("deploy");
        deploy.args(["--no-confirm-changeset", "--stack-name", STACK, "--tags", &LocalStack::tag()]);
        let output =
            processes::keep(with_parameters(&mut deploy, parameters).env("AWS_ENDPOINT_URL", &stack.endpoint))?;
        let changes = output.lines().filter(|line| ["+ ", "* ", "- "].iter().any(|mark| line.starts_with(mark)));
        Ok(changes.map(str::to_owned).collect())
    }

    fn command(&self, task: &str) -> Command {
        let mut sam = self.sam.command("sam");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([self.folder.join("stand-in")].into_iter().chain(std::env::split_paths(&path)));
        in_local_aws(&mut sam)
            .arg(task)
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("FUNCTIONS", &self.functions)
            .env("SAM_CLI_TELEMETRY", "0");
        if let Ok(path) = path {
            sam.env("PATH", path);
        }
        sam
    }
}

fn with_parameters<'a>(command: &'a mut Command, parameters: &[String]) -> &'a mut Command {
    command.arg("--parameter-overrides").args(parameters)
}
