//! `report`: what is on the page, and, where there is a browser, what its controls do.

use crate::{User, after_training::planned};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
};

const MODEL: &str = "nnUNet_results/Dataset001_Phantom/nnUNetTrainer__nnUNetPlans__3d_fullres";

#[test]
fn a_page_about_a_model() {
    let user = planned();
    user.host_with_folders("train 1 3d_fullres 0 --epochs 2 --iterations 1 --val-iterations 1 --seed 1 -device cpu").finished();
    user.host_with_folders("train 1 3d_fullres 1 --epochs 1 --iterations 1 --val-iterations 1 --seed 1 -device cpu").finished();
    let said = user.host_with_folders(&format!("report {MODEL} --pictures 2"));
    assert_eq!(said.finished(), format!("{MODEL}/report.html: open it in any browser\n"));
    let page = fs::read_to_string(user.path(&format!("{MODEL}/report.html"))).unwrap();
    for part in [
        "<!DOCTYPE html>",
        "Dataset001_Phantom",
        "fold_0",
        "fold_1",
        "pseudo Dice",
        "axial",
        "coronal",
        "sagittal",
        "All components were the host's own.",
        "PlainConvUNet",
    ] {
        assert!(page.contains(part), "{part} is not on the page");
    }
    assert_eq!(page.matches("data:image/png;base64,").count(), 6, "two cases in three planes");
    assert!(!page.contains("src=\"http") && !page.contains("cannot be shown"), "the page needs something else");
    clicked_through(&user, 2);

    // one fold; then an evaluation alone, whose images are not at hand
    user.host_with_folders(&format!("report {MODEL}/fold_1 -o one.html")).finished();
    let one = fs::read_to_string(user.path("one.html")).unwrap();
    assert!(one.contains("fold_1") && !one.contains("fold_0"));
    user.host(&format!("report {MODEL}/fold_0/validation -o scores.html")).finished();
    let scores = fs::read_to_string(user.path("scores.html")).unwrap();
    assert!(scores.contains("its image was not found") && scores.contains("There is no checkpoint here"));
    assert!(user.host("report nnUNet_raw").failed_with(1).contains("there is nothing to report on"));
}

/// A browser that is driven by the WebDriver protocol.
struct Browser {
    driver: Child,
    /// Kept open: a driver that cannot write ends.
    _said: BufReader<ChildStdout>,
    session: String,
}

impl Browser {
    /// None, and it is said, where there is no chromedriver.
    fn start() -> Option<Browser> {
        let mut driver = match Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn() {
            Ok(driver) => driver,
            Err(error) => {
                eprintln!("skipped: the page was not clicked through, there is no chromedriver ({error})");
                return None;
            }
        };
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let ready = said
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split("successfully on port ").nth(1)?.trim_end_matches('.').to_owned()));
        let address = format!("http://127.0.0.1:{}", ready.unwrap());
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1400"]}}}});
        let session = post(&format!("{address}/session"), &wanted);
        let session = format!("{address}/session/{}", session["sessionId"].as_str().unwrap());
        Some(Browser { driver, _said: said, session })
    }

    fn ask(&self, what: &str, with: Value) -> Value {
        post(&format!("{}/{what}", self.session), &with)
    }

    /// The value of a JavaScript expression.
    fn value(&self, expression: &str) -> Value {
        self.ask("execute/sync", json!({"script": format!("return {expression};"), "args": []}))
    }

    fn element(&self, css: &str) -> String {
        let found = self.ask("element", json!({"using": "css selector", "value": css}));
        format!("element/{}", found.as_object().unwrap().values().next().unwrap().as_str().unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn post(url: &str, with: &Value) -> Value {
    let request = ureq::post(url).config().http_status_as_error(false).build().header("Content-Type", "application/json");
    let mut answer = request.send(with.to_string()).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    assert_eq!(answer.status(), 200, "{url} with {with}: {text}");
    serde_json::from_str::<Value>(&text).unwrap()["value"].clone()
}

/// Moves a slider, sorts the table and looks for a case.
fn clicked_through(user: &User, cases: u64) {
    let Some(browser) = Browser::start() else { return };
    let page = user.path(MODEL).join("report.html").canonicalize().unwrap();
    browser.ask("url", json!({"url": format!("file://{}", page.display())}));
    let (slice, shown) = ("document.querySelector('.slice').style.backgroundPosition", "document.querySelector('output').textContent");
    browser.value(
        "document.querySelector('input[type=range]').value = 0, document.querySelector('input[type=range]').dispatchEvent(new Event('input'))",
    );
    assert_eq!((browser.value(slice), browser.value(shown)), (json!("0px 0px"), json!("1")));
    browser.ask(&format!("{}/value", browser.element("input[type=range]")), json!({"text": "\u{e014}"})); // arrow to the right
    assert_eq!(browser.value(shown), json!("2"));
    assert_ne!(browser.value(slice), json!("0px 0px"));

    let order = "[...document.querySelectorAll('#scores tbody tr')].map(row => row.cells[0].textContent)";
    let names = |value: Value| value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(browser.value(order)).len() as u64, cases);
    let head = browser.element("#scores thead th");
    browser.ask(&format!("{head}/click"), json!({}));
    let up = names(browser.value(order));
    assert!(up.is_sorted(), "{up:?}");
    browser.ask(&format!("{head}/click"), json!({}));
    let down = names(browser.value(order));
    assert_eq!(down, up.iter().rev().cloned().collect::<Vec<_>>());
    browser.ask(&format!("{}/value", browser.element("#filter")), json!({"text": up[0]}));
    assert_eq!(browser.value("[...document.querySelectorAll('#scores tbody tr')].filter(row => !row.hidden).length"), json!(1));
}
