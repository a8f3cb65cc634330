// @generated automatically by Diesel CLI.

diesel::table! {
    liveness (id) {
        id -> BigInt,
        at_ms -> BigInt,
    }
}

diesel::table! {
    service_events (id) {
        id -> BigInt,
        service_id -> BigInt,
        event -> Text,
        failure -> Nullable<Text>,
        failure_detail -> Nullable<Text>,
        date_started_ms -> BigInt,
        date_ended_ms -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        date_started -> Nullable<BigInt>,
        date_ended -> Nullable<BigInt>,
    }
}

diesel::table! {
    service_metrics (service_id) {
        service_id -> BigInt,
        tick_count -> BigInt,
        up_count -> BigInt,
        down_count -> BigInt,
        unknown_count -> BigInt,
        average_response_time_ms -> Double,
        response_time_sum_ns -> BigInt,
        latest_event_id -> Nullable<BigInt>,
        known_is_up -> Nullable<Bool>,
        streak_is_up -> Nullable<Bool>,
        streak_count -> Nullable<BigInt>,
        streak_since_ms -> Nullable<BigInt>,
        recent_states -> BigInt,
        is_flapping -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    service_ticks (id) {
        id -> BigInt,
        service_id -> BigInt,
        is_up -> Bool,
        response_time_ms -> Double,
        http_status -> Nullable<Integer>,
        failure -> Nullable<Text>,
        created_at_ms -> BigInt,
        created_at -> Nullable<BigInt>,
        dns_us -> Nullable<BigInt>,
        connect_us -> Nullable<BigInt>,
        tls_us -> Nullable<BigInt>,
        first_byte_us -> Nullable<BigInt>,
        transfer_us -> Nullable<BigInt>,
        is_unknown -> Bool,
    }
}

diesel::table! {
    services (id) {
        id -> BigInt,
        name -> Text,
        url -> Text,
        group_name -> Nullable<Text>,
        enabled -> Bool,
        interval_seconds -> Nullable<Double>,
        timeout_seconds -> Nullable<Double>,
        origin -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        conditions -> Nullable<Text>,
        options -> Nullable<Text>,
    }
}

diesel::joinable!(service_events -> services (service_id));
diesel::joinable!(service_metrics -> service_events (latest_event_id));
diesel::joinable!(service_metrics -> services (service_id));
diesel::joinable!(service_ticks -> services (service_id));

diesel::allow_tables_to_appear_in_same_query!(
    liveness,
    service_events,
    service_metrics,
    service_ticks,
    services,
);
