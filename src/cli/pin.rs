//! `hilum pin`: who may do what. PINs are asked for on the terminal, or come from the environment; never from the command line,
//! where every process can read them.

use hilum_daemon::Request;
use hilum_store::Role;

use crate::{
    Failure,
    socket::{To, print, word},
    terminal::typed,
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Set the PIN of a role; the first is the administrator's. The new PIN is asked for, or is in HILUM_NEW_PIN.
    Set {
        /// operator, reviewer or administrator.
        #[arg(value_name = "ROLE")]
        of: Role,
        #[command(flatten)]
        to: To,
    },
    /// Enter the PIN of a role (--role): opens the records of a board whose key comes from the PIN.
    Enter {
        #[command(flatten)]
        to: To,
    },
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Set { of, to } => {
            let pin = typed("HILUM_NEW_PIN", "new PIN: ")?;
            if std::env::var_os("HILUM_NEW_PIN").is_none() && typed("HILUM_NEW_PIN", "again: ")? != pin {
                return Err(Failure::Usage("the two PINs differ".to_owned()));
            }
            let answer = to.daemon.ask(&Request::SetPin { role: of, pin })?;
            print(&answer, to.json, |answer| format!("the {} has a PIN", word(answer, "role")))
        }
        Command::Enter { to } => {
            let answer = to.daemon.ask(&to.daemon.login()?.ok_or_else(|| {
                Failure::Usage("say whose PIN it is: --role operator, reviewer or administrator".to_owned())
            })?)?;
            print(&answer, to.json, |answer| format!("welcome, {}", word(answer, "role")))
        }
    }
}
