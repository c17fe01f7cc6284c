//! Child processes, and that none of them outlives this one.
//!
//! Every child leads a process group of its own, in which its descendants stay. However the task ends,
//! all groups end with it: on Ctrl-C and SIGTERM in the signal's handler, otherwise as their owners drop.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a group has to end by itself.
const GRACE: Duration = Duration::from_secs(3);

/// 128 and SIGINT's number, as shells say it.
const INTERRUPTED: i32 = 130;

static GROUPS: Mutex<Groups> = Mutex::new(Groups { alive: Vec::new(), stopping: false });

struct Groups {
    alive: Vec<Pid>,
    stopping: bool,
}

/// A process group, ended when dropped.
pub struct Group {
    pub leader: Child,
    id: Pid,
}

impl Group {
    pub fn spawn(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).process_group(0);
        // Held until the child is on the list: a signal meanwhile waits, and then finds it there.
        let mut groups = groups();
        if groups.stopping {
            bail!("the task is stopping");
        }
        let leader = command.spawn().with_context(|| format!("cannot start {}", name_of(command)))?;
        let id = Pid::from_raw(leader.id().try_into()?);
        groups.alive.push(id);
        Ok(Self { leader, id })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        end(self.id, || matches!(self.leader.try_wait(), Ok(None)));
        groups().alive.retain(|id| *id != self.id);
    }
}

/// Runs a command to its end, its output shown as it comes.
pub fn show(command: &mut Command) -> Result<()> {
    let status = Group::spawn(command)?.leader.wait()?;
    check(command, status)
}

/// Runs a command to its end and shows its output only if it fails. Returns what it wrote to stdout.
pub fn keep(command: &mut Command) -> Result<String> {
    let mut group = Group::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let stderr = group.leader.stderr.take().context("stderr is piped")?;
    let errors = thread::spawn(move || io::read_to_string(stderr));
    let output = io::read_to_string(group.leader.stdout.take().context("stdout is piped")?)?;
    let errors = errors.join().map_err(|_| anyhow::anyhow!("reading stderr panicked"))??;
    let status = group.leader.wait()?;
    check(command, status).with_context(|| tail(&format!("{output}{errors}"), 40))?;
    Ok(output)
}

/// Runs a command to its end. Gives all that it wrote, or fails with it.
pub fn collect(command: &mut Command) -> Result<String> {
    let (output, input) = io::pipe()?;
    let mut group = Group::spawn(command.stdout(input.try_clone()?).stderr(input))?;
    // The command holds its ends of the pipe, which would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let output = io::read_to_string(output)?;
    let status = group.leader.wait()?;
    check(command, status).with_context(|| output.clone())?;
    Ok(output)
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

pub fn end_all_on_signal() -> Result<()> {
    ctrlc::set_handler(|| {
        let mut groups = groups();
        groups.stopping = true;
        for id in &groups.alive {
            end(*id, || killpg(*id, None) != Err(Errno::ESRCH));
        }
        eprintln!("\nstopped");
        process::exit(INTERRUPTED);
    })
    .context("cannot handle signals")
}

/// Leaves the last word to the signal's handler: children that it ends are no failures to report.
pub fn wait_if_stopping() {
    // The handler holds the lock until the process ends.
    let stopping = groups().stopping;
    if stopping {
        loop {
            thread::park();
        }
    }
}

fn end(group: Pid, alive: impl FnMut() -> bool) {
    // An error means that there is nobody left, which is the aim.
    let _ = killpg(group, Signal::SIGTERM);
    wait_while(alive);
    let _ = killpg(group, Signal::SIGKILL);
}

fn wait_while(mut alive: impl FnMut() -> bool) {
    let started = Instant::now();
    while alive() && started.elapsed() < GRACE {
        thread::sleep(Duration::from_millis(20));
    }
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() { Ok(()) } else { bail!("{} ended with {status}", name_of(command)) }
}

fn name_of(command: &Command) -> String {
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn groups() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};

    use super::*;

    #[test]
    fn a_group_takes_its_descendants_along() -> Result<()> {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & echo started; wait"]).stdout(Stdio::piped());
        let mut group = Group::spawn(&mut shell)?;
        let mut stdout = BufReader::new(group.leader.stdout.take().context("stdout is piped")?);
        let mut text = String::new();
        stdout.read_line(&mut text)?;
        assert_eq!(text, "started\n");

        drop(group);
        // The end of the pipe comes when nobody holds it any more, the sleeper included.
        assert_eq!(stdout.read_to_string(&mut text)?, 0);
        Ok(())
    }

    #[test]
    fn a_failure_shows_what_was_said() {
        for run in [keep, collect] {
            let failure = run(Command::new("sh").args(["-c", "echo on stdout; echo on stderr >&2; exit 3"]));
            let told = format!("{:#}", failure.expect_err("exit 3"));
            assert!(told.contains("on stdout\non stderr"), "{told}");
            assert!(told.contains("exit status: 3"), "{told}");
        }
    }

    #[test]
    fn all_that_is_written_is_collected_in_order() -> Result<()> {
        let written = collect(Command::new("sh").args(["-c", "echo one; echo two >&2; echo three"]))?;
        assert_eq!(written, "one\ntwo\nthree\n");
        Ok(())
    }
}
