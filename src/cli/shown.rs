//! A case as the daemon shows it, in lines for people: whose it is, what was given, what was found and what weakens it.

use serde_json::Value;

use crate::socket::{counted, word};

/// What a result of the class without a tumour says, and what it does not.
const NORMAL: &str = "no tumour pattern in these images; does not exclude cancer";

/// The lines of a case.
pub(crate) fn lines(case: &Value) -> String {
    let identity = |place: usize| case["identity"][place].as_str().unwrap_or_default();
    let mut lines = vec![
        format!("{} {}", word(case, "case"), word(case, "state")),
        format!("patient: {}, confirmed by {}", identity(0), identity(1)),
    ];
    if case["origin"]["other-second"] == true {
        lines.push("patient: an earlier case has another second identifier; a person said it is the same".to_owned());
    }
    lines.push(format!("given: {}", given(case)));
    let trusted = if case["opened"]["trusted"] == true { "clock trusted" } else { "CLOCK NOT TRUSTED" };
    lines.push(format!("opened: {}, {trusted}", word(&case["opened"], "claimed")));
    lines.extend(share(case));
    let report = &case["report"];
    if let Some(display) = report["fused"]["display"].as_str() {
        let class = word(&report["fused"], "predicted");
        let index = report["classes"].as_array().into_iter().flatten().position(|name| name == class);
        let probability = index.and_then(|index| report["fused"]["probabilities"][index].as_f64()).unwrap_or(0.0);
        let display = if class == "normal" { NORMAL } else { display };
        lines.push(format!("result: {display}, {:.0}%", probability * 100.0));
        let weight = |branch: &str| report["weights"][branch].as_f64().unwrap_or(0.0) * 100.0;
        lines.push(format!("weights: CT {:.0}%, H&E {:.0}%", weight("ct"), weight("he")));
    }
    for limit in report["limits"].as_array().into_iter().flatten() {
        lines.push(format!("limit: {}; {}", word(limit, "message"), word(limit, "next_step")));
    }
    if let Some(message) = report["refusal"]["message"].as_str() {
        lines.push(format!("refused: {message}; {}", word(&report["refusal"], "next_step")));
    }
    let review = &case["review"];
    if let Some(agrees) = review["agrees"].as_bool() {
        let verdict = if agrees { "agrees" } else { "DISAGREES" };
        lines.push(format!("review: the {} {verdict}: {}", word(review, "by"), word(review, "reason")));
    }
    lines.push(hilum_report::NOTICE.to_owned());
    lines.join("\n")
}

/// What the case has to be assessed by.
fn given(case: &Value) -> String {
    let (origin, mut parts) = (&case["origin"], Vec::new());
    if case["ct"] == true {
        let mut ct = "CT".to_owned();
        if let Some(date) = origin["study-date"].as_str() {
            ct.push_str(&format!(" of {date}"));
        }
        if let Some(slices) = origin["slices"].as_u64() {
            ct.push_str(&format!(" with {slices} slices"));
        }
        if origin["by-share"] == true {
            ct.push_str(" from the share");
        }
        if origin["other-id"] == true {
            ct.push_str(" UNDER ANOTHER PATIENT ID");
        }
        parts.push(ct);
    }
    match case["fields"].as_u64() {
        None | Some(0) => {}
        Some(fields) => parts.push(counted(fields, "field")),
    }
    let metadata = &case["metadata"];
    parts.extend(metadata["age"].as_f64().map(|age| format!("age {age}")));
    for (key, name) in [("sex", ""), ("smoking", "smoking "), ("specimen", "")] {
        parts.extend(metadata[key].as_str().map(|value| format!("{name}{value}")));
    }
    if parts.is_empty() { "nothing yet".to_owned() } else { parts.join(", ") }
}

/// What of the share concerns the case.
fn share(case: &Value) -> Vec<String> {
    let exports = &case["exports"];
    let mut lines = Vec::new();
    if exports["late"] == true {
        lines.push("share: SLICES CAME AFTER THE CASE WAS HANDED OVER; open a new case with the whole CT".to_owned());
    } else if let Some(waiting) = exports["waiting"].as_u64().filter(|waiting| *waiting > 0) {
        let wait = if waiting == 1 { "waits" } else { "wait" };
        let exports = counted(waiting, "export");
        lines.push(format!("share: {exports} of this patient {wait}; hilum case ct takes the one that is meant"));
    }
    for code in exports["refused"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        lines.push(format!("share: an export of this patient is refused: {code}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_draft_says_what_it_has_and_what_waits() {
        let case = json!({
            "case": "H000001", "state": "draft", "identity": ["4711", "1954-03-02"], "ct": false, "fields": 0,
            "opened": {"claimed": "2026-11-01T08:00:00Z", "trusted": false}, "report": null, "review": null,
            "exports": {"waiting": 2, "late": false, "refused": ["missing-slice"]},
        });
        let wanted = "H000001 draft\n\
            patient: 4711, confirmed by 1954-03-02\n\
            given: nothing yet\n\
            opened: 2026-11-01T08:00:00Z, CLOCK NOT TRUSTED\n\
            share: 2 exports of this patient wait; hilum case ct takes the one that is meant\n\
            share: an export of this patient is refused: missing-slice\n\
            Research use only, not a diagnosis.";
        assert_eq!(lines(&case), wanted);
    }

    // verifies: REQ-RESULT-04, REQ-RESULT-08
    #[test]
    fn a_result_says_its_limits_and_what_it_does_not_exclude() {
        let case = json!({
            "case": "H000002", "state": "reviewed", "identity": ["4711", "1954-03-02"], "ct": true, "fields": 1,
            "origin": {"study-date": "2026-11-01", "slices": 60, "by-share": true, "other-id": true, "other-second": true},
            "metadata": {"age": 63.0, "sex": "male", "smoking": "former", "specimen": "biopsy"},
            "opened": {"claimed": "2026-11-01T08:00:00Z", "trusted": true},
            "exports": {"waiting": 1, "late": true, "refused": []},
            "report": {
                "classes": ["adenocarcinoma", "normal"],
                "fused": {"predicted": "normal", "display": "normal", "probabilities": [0.118, 0.882]},
                "weights": {"ct": 0.4, "he": 0.6}, "refusal": null,
                "limits": [{"code": "no-he", "message": "no field was given", "next_step": "the CT alone was read"}],
            },
            "review": {"agrees": false, "reason": "keratin pearls", "by": "reviewer"},
        });
        let wanted = "H000002 reviewed\n\
            patient: 4711, confirmed by 1954-03-02\n\
            patient: an earlier case has another second identifier; a person said it is the same\n\
            given: CT of 2026-11-01 with 60 slices from the share UNDER ANOTHER PATIENT ID, 1 field, age 63, male, \
            smoking former, biopsy\n\
            opened: 2026-11-01T08:00:00Z, clock trusted\n\
            share: SLICES CAME AFTER THE CASE WAS HANDED OVER; open a new case with the whole CT\n\
            result: no tumour pattern in these images; does not exclude cancer, 88%\n\
            weights: CT 40%, H&E 60%\n\
            limit: no field was given; the CT alone was read\n\
            review: the reviewer DISAGREES: keratin pearls\n\
            Research use only, not a diagnosis.";
        assert_eq!(lines(&case), wanted);
    }
}
