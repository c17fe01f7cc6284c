//! Who gets in, and to what.

use crate::api::{Client, fresh, stack, submit_order};

#[test]
fn nobody_gets_in_without_a_token() {
    let stranger = Client::of("demo").without_token();
    assert_eq!(stranger.post(&submit_order(&fresh("O"), &fresh("C"))).status, 401);
    assert_eq!(stranger.get("/orders/O-1").status, 401);
    assert_eq!(stranger.get("/schemas").status, 401);
}

#[test]
fn a_token_for_reading_does_not_submit() {
    let reader = Client::with_scope("demo", "waybill/read");
    assert_eq!(reader.post(&submit_order(&fresh("O"), &fresh("C"))).status, 403);
    reader.get("/schemas").expect(200);
}

#[test]
fn a_token_for_submitting_follows_operations_and_reads_schemas_and_no_documents() {
    let (order, submitter) = (fresh("O"), Client::with_scope("demo", "waybill/submit"));
    let operation = submitter.submit(&submit_order(&order, &fresh("C")));
    let resource = submitter.succeeded(&operation);
    submitter.get("/schemas").expect(200);
    submitter.get("/schemas/orders/SubmitOrder/1").expect(200);
    for path in [&resource, &format!("/orders/{order}/history"), "/orders?status=submitted", "/reports/orders"] {
        submitter.get(path).expect(403);
    }
}

/// The neighbour's settings say so.
#[test]
fn a_user_who_is_granted_their_own_reads_no_others_and_a_client_reads_what_it_is_granted() {
    let (client, user) = (Client::of("neighbour"), Client::user_of("neighbour"));
    let sub = stack()["tenants"]["neighbour"]["user"]["sub"].as_str().expect("a subject").to_owned();
    let (own, other) = (fresh("O"), fresh("O"));
    for (order, customer) in [(&own, &sub), (&other, &fresh("C"))] {
        client.read(&client.succeeded(&client.submit(&submit_order(order, customer))));
    }
    for rest in ["", "/history"] {
        user.get(&format!("/orders/{own}{rest}")).expect(200);
        user.get(&format!("/orders/{other}{rest}")).expect(404);
    }
    user.get(&format!("/orders?customer={sub}")).expect(200);
    for path in ["/orders?status=submitted", "/reports/orders", "/policies/P-1"] {
        assert_eq!(user.get(path).expect(403).problem(), "not-permitted");
    }
    client.get("/reports/orders").expect(200);
}

#[test]
fn a_user_of_the_pool_acts_for_the_tenant_that_their_token_names() {
    let (user, order, customer) = (Client::user_of("demo"), fresh("O"), fresh("C"));
    let operation = user.submit(&submit_order(&order, &customer));
    let resource = user.succeeded(&operation);
    assert_eq!(user.read(&resource).json()["customer"], customer.as_str());
    let principal = user.get(&operation).expect(200).json()["principal"].clone();
    assert_eq!(principal["type"], "user");
    let submitted = &user.history(&format!("/orders/{order}"))[0];
    assert_eq!((&submitted["authid"], &submitted["authtype"]), (&principal["id"], &principal["type"]));

    Client::of("demo").get(&operation).expect(200);
    for stranger in [Client::user_of("neighbour"), Client::of("neighbour")] {
        stranger.get(&operation).expect(404);
        stranger.get(&resource).expect(404);
    }
}

#[test]
fn a_user_of_the_pool_without_a_tenant_acts_for_none() {
    // Operators have no tenant in the pool; the registry knows theirs.
    let user = Client::signed_in(&stack()["operators"]["demo"]);
    let refused = user.post(&submit_order(&fresh("O"), &fresh("C"))).expect(403);
    assert_eq!(refused.problem(), "not-permitted");
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("custom:tenant")), "{refused:?}");
    user.get("/orders/O-1").expect(403);
}

#[test]
fn without_a_grant_for_the_source_nothing_is_taken() {
    let mut event = submit_order(&fresh("O"), &fresh("C"));
    event["source"] = "https://elsewhere.example/".into();
    assert_eq!(Client::of("demo").post(&event).expect(403).problem(), "not-permitted");
}

#[test]
fn what_is_another_tenants_is_not_there() {
    let (demo, neighbour) = (Client::of("demo"), Client::of("neighbour"));
    let (order, customer) = (fresh("O"), fresh("C"));
    let operation = demo.submit(&submit_order(&order, &customer));
    demo.read(&demo.succeeded(&operation));

    let unknown = neighbour.get("/operations/nonsense").expect(404);
    for path in [&operation, &format!("/orders/{order}"), &format!("/orders/{order}/history")] {
        let foreign = neighbour.get(path).expect(404);
        assert_eq!(foreign.text, unknown.text, "foreign and unknown read the same: {path}");
    }
    let list = neighbour.get(&format!("/orders?customer={customer}")).expect(200);
    assert_eq!(list.json()["items"].as_array().map(Vec::len), Some(0), "{list:?}");
}

#[test]
fn the_same_ids_in_two_tenants_are_two_things() {
    let (order, customer) = (fresh("O"), fresh("C"));
    let event = submit_order(&order, &customer);
    for tenant in ["demo", "neighbour"] {
        let client = Client::of(tenant);
        client.read(&client.succeeded(&client.submit(&event)));
        assert_eq!(client.history(&format!("/orders/{order}")).len(), 1);
    }
}
