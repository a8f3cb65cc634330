// @generated automatically by Diesel CLI.

diesel::table! {
    alert_signals (id) {
        id -> BigInt,
        service_id -> BigInt,
        kind -> Text,
        edge -> Text,
        amount -> BigInt,
        at_ms -> BigInt,
        since_ms -> BigInt,
        facts -> Text,
    }
}

diesel::table! {
    alerting (id) {
        id -> BigInt,
        instance_key -> Text,
        next_alert_id -> BigInt,
        next_notification_id -> BigInt,
    }
}

diesel::table! {
    alerts (id) {
        id -> BigInt,
        service_id -> Nullable<BigInt>,
        kind -> Text,
        severity -> Text,
        state -> Text,
        since_ms -> BigInt,
        fired_ms -> Nullable<BigInt>,
        acknowledged_ms -> Nullable<BigInt>,
        acknowledged_by -> Nullable<Text>,
        acknowledged_note -> Nullable<Text>,
        acknowledged_until_ms -> Nullable<BigInt>,
        resolved_ms -> Nullable<BigInt>,
        cause -> Nullable<Text>,
        amount -> BigInt,
        suppressed_by -> Nullable<Text>,
        group_name -> Nullable<Text>,
        facts -> Text,
    }
}

diesel::table! {
    api_sessions (hash) {
        hash -> Binary,
        token_id -> BigInt,
        created_at_ms -> BigInt,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    api_tokens (id) {
        id -> BigInt,
        name -> Text,
        shown -> Text,
        hash -> Binary,
        scopes -> Text,
        groups -> Nullable<Text>,
        created_at_ms -> BigInt,
        created_by -> Text,
        expires_at_ms -> Nullable<BigInt>,
        last_used_at_ms -> Nullable<BigInt>,
        revoked_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        at_ms -> BigInt,
        actor -> Text,
        token_id -> Nullable<BigInt>,
        address -> Nullable<Text>,
        action -> Text,
        object -> Text,
        object_id -> Nullable<BigInt>,
        object_name -> Nullable<Text>,
        before -> Nullable<Text>,
        after -> Nullable<Text>,
    }
}

diesel::table! {
    channels (id) {
        id -> BigInt,
        name -> Text,
        kind -> Text,
        origin -> Text,
        enabled -> Bool,
        options -> Text,
        failing_since_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    deliveries (id) {
        id -> BigInt,
        notification_id -> BigInt,
        channel_id -> BigInt,
        revision -> BigInt,
        at_ms -> BigInt,
        took_ms -> BigInt,
        outcome -> Text,
        http_status -> Nullable<Integer>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    history (id) {
        id -> BigInt,
        sealed_tick_id -> BigInt,
        sealed_event_id -> BigInt,
        sealed_at_ms -> BigInt,
        chunk_count -> BigInt,
        sealed_tick_count -> BigInt,
        sealed_byte_count -> BigInt,
        rollup_count -> BigInt,
        emptied_page_count -> BigInt,
        expired_tick_count -> BigInt,
        ticks_expired_to_ms -> BigInt,
        rollups_expired_to_ms -> BigInt,
        sealing_tick_id -> Nullable<BigInt>,
        sealing_event_id -> Nullable<BigInt>,
        sealing_service_id -> BigInt,
        sealing_tick_count -> BigInt,
    }
}

diesel::table! {
    liveness (id) {
        id -> BigInt,
        at_ms -> BigInt,
    }
}

diesel::table! {
    maintenance_spans (service_id, from_ms, maintenance_id) {
        service_id -> BigInt,
        from_ms -> BigInt,
        to_ms -> BigInt,
        maintenance_id -> BigInt,
    }
}

diesel::table! {
    maintenances (id) {
        id -> BigInt,
        origin -> Text,
        definition -> Text,
        effective_ms -> BigInt,
        mark_ms -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    moves (id) {
        id -> BigInt,
        source_id -> Text,
        source_state -> Text,
        source_name -> Text,
        mover -> Text,
        behind_service_id -> BigInt,
        is_copied -> Bool,
        finished_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    notification_alerts (notification_id, alert_id) {
        notification_id -> BigInt,
        alert_id -> BigInt,
    }
}

diesel::table! {
    notifications (id) {
        id -> BigInt,
        channel_id -> BigInt,
        recipient -> Nullable<Text>,
        policy_id -> Nullable<BigInt>,
        scope -> Text,
        step -> Integer,
        revision -> BigInt,
        delivered -> BigInt,
        state -> Text,
        due_ms -> Nullable<BigInt>,
        attempts -> BigInt,
        revised_ms -> BigInt,
        reference -> Nullable<Text>,
        reminder_due_ms -> Nullable<BigInt>,
        opened_ms -> BigInt,
        closed_ms -> Nullable<BigInt>,
        is_dead -> Bool,
        terms -> Text,
    }
}

diesel::table! {
    policies (id) {
        id -> BigInt,
        name -> Text,
        origin -> Text,
        position -> BigInt,
        matcher -> Text,
        options -> Text,
    }
}

diesel::table! {
    sealing_ticks (id) {
        id -> BigInt,
        service_id -> BigInt,
        step_back -> Nullable<BigInt>,
        is_up -> Bool,
        is_unknown -> Bool,
        http_status -> Nullable<Integer>,
        failure -> Nullable<Text>,
        created_at_ms -> BigInt,
        dns_us -> Nullable<BigInt>,
        connect_us -> Nullable<BigInt>,
        tls_us -> Nullable<BigInt>,
        first_byte_us -> Nullable<BigInt>,
        transfer_us -> Nullable<BigInt>,
        unphased_us -> Nullable<BigInt>,
        response_time_us -> Nullable<BigInt>,
        response_time_ms -> Nullable<Double>,
        created_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    service_count (id) {
        id -> BigInt,
        living -> BigInt,
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
    service_facts (id) {
        id -> BigInt,
        service_id -> BigInt,
        at_ms -> BigInt,
        certificate_expires_at -> Nullable<BigInt>,
        tls_version -> Nullable<Text>,
        http_version -> Nullable<Text>,
        redirects -> Integer,
        ip_version -> Nullable<Integer>,
    }
}

diesel::table! {
    service_metrics (service_id) {
        service_id -> BigInt,
        tick_count -> BigInt,
        up_count -> BigInt,
        unknown_count -> BigInt,
        response_time_sum_ns -> BigInt,
        latest_event_id -> Nullable<BigInt>,
        latest_tick_id -> Nullable<BigInt>,
        known_is_up -> Nullable<Bool>,
        streak_is_up -> Nullable<Bool>,
        streak_count -> Nullable<BigInt>,
        streak_since_ms -> Nullable<BigInt>,
        recent_states -> BigInt,
        is_flapping -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        unwatched_from_ms -> Nullable<BigInt>,
        down_count -> Nullable<BigInt>,
        average_response_time_ms -> Nullable<Double>,
        result_run -> Integer,
        slow_run -> Integer,
        certificate_step -> Nullable<SmallInt>,
        certificate_fine_since_ms -> Nullable<BigInt>,
        relayed_seq -> BigInt,
    }
}

diesel::table! {
    service_rollups (service_id, step_s, start_s) {
        service_id -> BigInt,
        step_s -> Integer,
        start_s -> BigInt,
        up_count -> BigInt,
        down_count -> BigInt,
        unknown_count -> BigInt,
        up_ms -> BigInt,
        down_ms -> BigInt,
        unknown_ms -> BigInt,
        paused_ms -> BigInt,
        response_sum_us -> BigInt,
        response_min_us -> Nullable<BigInt>,
        response_max_us -> Nullable<BigInt>,
        phased_count -> BigInt,
        dns_us -> BigInt,
        connect_us -> BigInt,
        tls_us -> BigInt,
        first_byte_us -> BigInt,
        transfer_us -> BigInt,
        sketch -> Binary,
    }
}

diesel::table! {
    service_tick_chunks (id) {
        id -> BigInt,
        service_id -> BigInt,
        first_seq -> BigInt,
        from_ms -> BigInt,
        to_ms -> BigInt,
        tick_count -> BigInt,
        up_count -> BigInt,
        down_count -> BigInt,
        data -> Binary,
    }
}

diesel::table! {
    service_ticks (id) {
        id -> BigInt,
        service_id -> BigInt,
        step_back -> Nullable<BigInt>,
        is_up -> Bool,
        is_unknown -> Bool,
        http_status -> Nullable<Integer>,
        failure -> Nullable<Text>,
        created_at_ms -> BigInt,
        dns_us -> Nullable<BigInt>,
        connect_us -> Nullable<BigInt>,
        tls_us -> Nullable<BigInt>,
        first_byte_us -> Nullable<BigInt>,
        transfer_us -> Nullable<BigInt>,
        unphased_us -> Nullable<BigInt>,
        response_time_us -> Nullable<BigInt>,
        response_time_ms -> Nullable<Double>,
        created_at -> Nullable<BigInt>,
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

diesel::table! {
    silences (id) {
        id -> BigInt,
        matcher -> Text,
        from_ms -> BigInt,
        to_ms -> BigInt,
        author -> Nullable<Text>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    store (id) {
        id -> BigInt,
        store_id -> Text,
    }
}

diesel::joinable!(service_events -> services (service_id));
diesel::joinable!(service_metrics -> service_events (latest_event_id));
diesel::joinable!(service_metrics -> services (service_id));

diesel::allow_tables_to_appear_in_same_query!(
    alert_signals,
    alerting,
    alerts,
    api_sessions,
    api_tokens,
    audit,
    channels,
    deliveries,
    history,
    liveness,
    maintenance_spans,
    maintenances,
    moves,
    notification_alerts,
    notifications,
    policies,
    sealing_ticks,
    service_count,
    service_events,
    service_facts,
    service_metrics,
    service_rollups,
    service_tick_chunks,
    service_ticks,
    services,
    silences,
    store,
);
