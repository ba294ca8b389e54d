//! Calls that fit and calls that do not, when they are made, run and restored.

use serde_json::json;

use super::*;

#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
    #[serde(default)]
    options: Options,
}

#[derive(Default, Serialize, Deserialize)]
struct Options {
    times: u32,
}

fn kinds() -> Kinds {
    Kinds::new()
        .register("greet", |args: Greet, _| {
            Ok(format!("hello, {}", args.name))
        })
        .register("fail", |(): (), _| -> Result<(), _> { Err("no".into()) })
        .register_io("fetch", |url: String, ctx: RunContext| async move {
            Ok(format!("{url} for {}", ctx.job_id()))
        })
}

fn context() -> RunContext {
    RunContext::new("test".into(), uuid::Uuid::nil())
}

/// The answer of a future that does not wait.
fn ready(mut answer: BoxFuture<'static, Answer>) -> Answer {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match answer.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("it waits for something"),
    }
}

fn error<T: fmt::Debug>(result: Result<T, JobError>) -> String {
    result.unwrap_err().message
}

#[test]
fn a_call_runs_the_function_of_its_kind() {
    let kinds = Arc::new(kinds());
    let call = kinds.call("greet", &json!({ "name": "Ada" })).unwrap();
    assert_eq!(kinds.run(&call, &context()).unwrap(), json!("hello, Ada"));
    let call = kinds.call("fetch", "example.org").unwrap();
    let answer = ready(kinds.run_io(Arc::new(call), context()));
    assert_eq!(answer.unwrap(), json!("example.org for test"));
}

#[test]
fn what_a_body_says_is_the_error_of_its_run() {
    let kinds = kinds();
    let call = kinds.call("fail", &()).unwrap();
    assert_eq!(error(kinds.run(&call, &context())), "no");
}

#[test]
fn a_job_is_named_after_its_kind_and_goes_where_the_kind_runs() {
    let kinds = kinds();
    let job = kinds.job("a", "fetch", "example.org").unwrap();
    assert_eq!((job.name.as_ref(), job.lane), ("fetch", Lane::Io));
    let job = kinds.job("b", "fail", &()).unwrap();
    assert_eq!((job.name.as_ref(), job.lane), ("fail", Lane::Prompt));
}

#[test]
fn an_unknown_kind_is_refused_with_the_names_that_are_known() {
    let kinds = Arc::new(kinds());
    let call = Call::new("gret", "Ada").unwrap();
    let stored = kinds.store(&call).unwrap();
    let expected = r#"no kind "gret" here, only ["fail", "fetch", "greet"]"#;
    assert_eq!(error(kinds.call("gret", "Ada")), expected);
    assert_eq!(error(kinds.run(&call, &context())), expected);
    assert_eq!(error(kinds.restore(&stored)), expected);
    assert_eq!(
        error(ready(kinds.run_io(Arc::new(call), context()))),
        expected
    );
}

#[test]
fn arguments_that_do_not_fit_are_refused_with_kind_and_field() {
    let kinds = Arc::new(kinds());
    let check = |kind: &'static str, args: Value, expected: &str| {
        assert_eq!(error(kinds.call(kind, &args)), expected);
        let call = Call::new(kind, &args).unwrap();
        assert_eq!(error(kinds.restore(&kinds.store(&call).unwrap())), expected);
        let run = match kind {
            "fetch" => ready(Arc::clone(&kinds).run_io(Arc::new(call), context())),
            _ => kinds.run(&call, &context()),
        };
        assert_eq!(error(run), expected);
    };
    check(
        "greet",
        json!({ "name": "Ada", "options": { "times": "three" } }),
        r#"kind "greet": the argument options.times does not fit: invalid type: string "three", expected u32"#,
    );
    check(
        "greet",
        json!({}),
        r#"kind "greet": the arguments do not fit: missing field `name`"#,
    );
    check(
        "fetch",
        json!(7),
        r#"kind "fetch": the arguments do not fit: invalid type: integer `7`, expected a string"#,
    );
}

#[test]
fn a_kind_in_the_wrong_lane_is_an_error_and_does_not_run() {
    let kinds = Arc::new(kinds());
    let fetch = kinds.call("fetch", "example.org").unwrap();
    assert_eq!(
        error(kinds.run(&fetch, &context())),
        r#"kind "fetch": its jobs run only in the lane io"#
    );
    let greet = kinds.call("greet", &json!({ "name": "Ada" })).unwrap();
    assert_eq!(
        error(ready(kinds.run_io(Arc::new(greet), context()))),
        r#"kind "greet": its jobs run anywhere but in the lane io"#
    );
}

#[test]
fn a_stored_call_is_restored_as_it_was() {
    let kinds = kinds();
    let call = kinds.call("greet", &json!({ "name": "Ada" })).unwrap();
    let stored = kinds.store(&call).unwrap();
    assert_eq!(kinds.restore(&stored).unwrap(), call);
}

#[test]
fn arguments_that_cannot_be_json_are_refused_when_the_call_is_made() {
    let keyed_by_pairs = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(
        error(Call::new("greet", &keyed_by_pairs)),
        r#"kind "greet": the arguments cannot be JSON: key must be a string"#
    );
}

#[test]
fn an_output_that_cannot_be_json_is_the_error_of_the_run() {
    let kinds = Kinds::new().register("pairs", |(): (), _| Ok(BTreeMap::from([((1, 2), 3)])));
    let call = kinds.call("pairs", &()).unwrap();
    assert_eq!(
        error(kinds.run(&call, &context())),
        r#"kind "pairs": the output cannot be JSON: key must be a string"#
    );
}

#[test]
#[should_panic(expected = "the kind \"greet\" is registered twice")]
fn a_kind_that_is_registered_twice_is_a_panic() {
    let _ = kinds().register("greet", |(): (), _| Ok(()));
}

#[test]
#[should_panic(expected = "a kind of jobs needs a name")]
fn a_kind_without_a_name_is_a_panic() {
    let _ = Kinds::new().register("", |(): (), _| Ok(()));
}
