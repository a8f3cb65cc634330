// @generated automatically by Diesel CLI.

diesel::table! {
    alert_signals (id) {
        id -> Int8,
        service_id -> Int8,
        kind -> Text,
        edge -> Text,
        amount -> Int8,
        at_ms -> Int8,
        since_ms -> Int8,
        facts -> Text,
    }
}

diesel::table! {
    alerting (id) {
        id -> Int8,
        instance_key -> Text,
        next_alert_id -> Int8,
        next_notification_id -> Int8,
    }
}

diesel::table! {
    alerts (id) {
        id -> Int8,
        service_id -> Nullable<Int8>,
        kind -> Text,
        severity -> Text,
        state -> Text,
        since_ms -> Int8,
        fired_ms -> Nullable<Int8>,
        acknowledged_ms -> Nullable<Int8>,
        acknowledged_by -> Nullable<Text>,
        acknowledged_note -> Nullable<Text>,
        acknowledged_until_ms -> Nullable<Int8>,
        resolved_ms -> Nullable<Int8>,
        cause -> Nullable<Text>,
        amount -> Int8,
        suppressed_by -> Nullable<Text>,
        group_name -> Nullable<Text>,
        facts -> Text,
    }
}

diesel::table! {
    api_sessions (hash) {
        hash -> Bytea,
        token_id -> Int8,
        created_at_ms -> Int8,
        expires_at_ms -> Int8,
    }
}

diesel::table! {
    api_tokens (id) {
        id -> Int8,
        name -> Text,
        shown -> Text,
        hash -> Bytea,
        scopes -> Text,
        groups -> Nullable<Text>,
        created_at_ms -> Int8,
        created_by -> Text,
        expires_at_ms -> Nullable<Int8>,
        last_used_at_ms -> Nullable<Int8>,
        revoked_at_ms -> Nullable<Int8>,
    }
}

diesel::table! {
    audit (id) {
        id -> Int8,
        at_ms -> Int8,
        actor -> Text,
        token_id -> Nullable<Int8>,
        address -> Nullable<Text>,
        action -> Text,
        object -> Text,
        object_id -> Nullable<Int8>,
        object_name -> Nullable<Text>,
        before -> Nullable<Text>,
        after -> Nullable<Text>,
    }
}

diesel::table! {
    channels (id) {
        id -> Int8,
        name -> Text,
        kind -> Text,
        origin -> Text,
        enabled -> Bool,
        options -> Text,
        failing_since_ms -> Nullable<Int8>,
    }
}

diesel::table! {
    deliveries (id) {
        id -> Int8,
        notification_id -> Int8,
        channel_id -> Int8,
        revision -> Int8,
        at_ms -> Int8,
        took_ms -> Int8,
        outcome -> Text,
        http_status -> Nullable<Int4>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    duties (name) {
        name -> Text,
        owner_id -> Nullable<Int8>,
    }
}

diesel::table! {
    inbox (id) {
        id -> Int8,
        service_id -> Int8,
        region_id -> Int2,
        at_ms -> Int8,
        outcome -> Text,
    }
}

diesel::table! {
    instances (id) {
        id -> Int8,
        name -> Text,
        role -> Text,
        region_id -> Int2,
        version -> Text,
        commit_no -> Int8,
        was_stored -> Bool,
        committed_at_ms -> Nullable<Int8>,
        ended_at_ms -> Nullable<Int8>,
        ended_by -> Nullable<Int8>,
        sealing_no -> Int8,
        sealing_service_id -> Nullable<Int8>,
    }
}

diesel::table! {
    maintenance_spans (service_id, from_ms, maintenance_id) {
        service_id -> Int8,
        from_ms -> Int8,
        to_ms -> Int8,
        maintenance_id -> Int8,
    }
}

diesel::table! {
    maintenances (id) {
        id -> Int8,
        origin -> Text,
        definition -> Text,
        effective_ms -> Int8,
        mark_ms -> Int8,
        created_at -> Int8,
        updated_at -> Int8,
    }
}

diesel::table! {
    moves (id) {
        id -> Int8,
        source_id -> Text,
        source_state -> Text,
        source_name -> Text,
        mover -> Text,
        behind_service_id -> Int8,
        is_copied -> Bool,
        finished_ms -> Nullable<Int8>,
    }
}

diesel::table! {
    notification_alerts (notification_id, alert_id) {
        notification_id -> Int8,
        alert_id -> Int8,
    }
}

diesel::table! {
    notifications (id) {
        id -> Int8,
        channel_id -> Int8,
        recipient -> Nullable<Text>,
        policy_id -> Nullable<Int8>,
        scope -> Text,
        step -> Int4,
        revision -> Int8,
        delivered -> Int8,
        state -> Text,
        due_ms -> Nullable<Int8>,
        attempts -> Int8,
        revised_ms -> Int8,
        reference -> Nullable<Text>,
        reminder_due_ms -> Nullable<Int8>,
        opened_ms -> Int8,
        closed_ms -> Nullable<Int8>,
        is_dead -> Bool,
        terms -> Text,
    }
}

diesel::table! {
    policies (id) {
        id -> Int8,
        name -> Text,
        origin -> Text,
        position -> Int8,
        matcher -> Text,
        options -> Text,
    }
}

diesel::table! {
    regions (id) {
        id -> Int2,
        name -> Text,
    }
}

diesel::table! {
    service_events (id) {
        id -> Int8,
        service_id -> Int8,
        region_id -> Int2,
        event -> Text,
        failure -> Nullable<Text>,
        failure_detail -> Nullable<Text>,
        date_started_ms -> Int8,
        date_ended_ms -> Nullable<Int8>,
        created_at -> Int8,
        updated_at -> Int8,
    }
}

diesel::table! {
    service_facts (id) {
        id -> Int8,
        service_id -> Int8,
        at_ms -> Int8,
        certificate_expires_at -> Nullable<Int8>,
        tls_version -> Nullable<Text>,
        http_version -> Nullable<Text>,
        redirects -> Int4,
        ip_version -> Nullable<Int4>,
    }
}

diesel::table! {
    service_metrics (service_id, region_id) {
        service_id -> Int8,
        region_id -> Int2,
        is_flapping -> Bool,
        known_is_up -> Nullable<Bool>,
        streak_is_up -> Nullable<Bool>,
        created_at -> Int8,
        sealed_event_id -> Int8,
        latest_event_id -> Nullable<Int8>,
        streak_count -> Nullable<Int8>,
        streak_since_ms -> Nullable<Int8>,
        unknown_count -> Int8,
        recent_states -> Int8,
        tick_count -> Int8,
        up_count -> Int8,
        response_time_sum_ns -> Int8,
        updated_at -> Int8,
        latest_slot_ms -> Nullable<Int8>,
        relayed_seq -> Int8,
        unwatched_from_ms -> Nullable<Int8>,
        result_run -> Int4,
        slow_run -> Int4,
        certificate_step -> Nullable<Int2>,
        certificate_fine_since_ms -> Nullable<Int8>,
    }
}

diesel::table! {
    service_rollups (service_id, region_id, step_s, start_s) {
        service_id -> Int8,
        region_id -> Int2,
        step_s -> Int4,
        start_s -> Int8,
        up_count -> Int8,
        down_count -> Int8,
        unknown_count -> Int8,
        up_ms -> Int8,
        down_ms -> Int8,
        unknown_ms -> Int8,
        paused_ms -> Int8,
        response_sum_us -> Int8,
        response_min_us -> Nullable<Int8>,
        response_max_us -> Nullable<Int8>,
        phased_count -> Int8,
        dns_us -> Int8,
        connect_us -> Int8,
        tls_us -> Int8,
        first_byte_us -> Int8,
        transfer_us -> Int8,
        sketch -> Bytea,
    }
}

diesel::table! {
    service_tick_chunks (service_id, region_id, first_seq) {
        service_id -> Int8,
        region_id -> Int2,
        first_seq -> Int8,
        from_ms -> Int8,
        to_ms -> Int8,
        tick_count -> Int8,
        up_count -> Int8,
        down_count -> Int8,
        data -> Bytea,
    }
}

diesel::table! {
    service_ticks (service_id, region_id, seq) {
        service_id -> Int8,
        seq -> Int8,
        at_ms -> Int8,
        unphased_us -> Nullable<Int8>,
        dns_us -> Nullable<Int4>,
        connect_us -> Nullable<Int4>,
        tls_us -> Nullable<Int4>,
        first_byte_us -> Nullable<Int4>,
        transfer_us -> Nullable<Int4>,
        region_id -> Int2,
        state -> Int2,
        http_status -> Nullable<Int2>,
        failure -> Nullable<Text>,
    }
}

diesel::table! {
    services (id) {
        id -> Int8,
        name -> Text,
        url -> Text,
        group_name -> Nullable<Text>,
        enabled -> Bool,
        interval_seconds -> Nullable<Float8>,
        timeout_seconds -> Nullable<Float8>,
        origin -> Text,
        created_at -> Int8,
        updated_at -> Int8,
        deleted_at -> Nullable<Int8>,
        conditions -> Nullable<Text>,
        options -> Nullable<Text>,
        changed_ms -> Int8,
        revision -> Int8,
    }
}

diesel::table! {
    shards (region_id, shard) {
        region_id -> Int2,
        shard -> Int2,
        owner_id -> Nullable<Int8>,
        watched_to_ms -> Nullable<Int8>,
        chunk_count -> Int8,
        sealed_tick_count -> Int8,
        sealed_byte_count -> Int8,
        rollup_count -> Int8,
        expired_tick_count -> Int8,
        ticks_expired_to_ms -> Int8,
        rollups_expired_to_ms -> Int8,
    }
}

diesel::table! {
    silences (id) {
        id -> Int8,
        matcher -> Text,
        from_ms -> Int8,
        to_ms -> Int8,
        author -> Nullable<Text>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    store (id) {
        id -> Int2,
        store_id -> Text,
        revision -> Int8,
        living -> Int8,
        spread -> Nullable<Int4>,
        oldest_version -> Nullable<Text>,
        sealed_at_ms -> Int8,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    alert_signals,
    alerting,
    alerts,
    api_sessions,
    api_tokens,
    audit,
    channels,
    deliveries,
    duties,
    inbox,
    instances,
    maintenance_spans,
    maintenances,
    moves,
    notification_alerts,
    notifications,
    policies,
    regions,
    service_events,
    service_facts,
    service_metrics,
    service_rollups,
    service_tick_chunks,
    service_ticks,
    services,
    shards,
    silences,
    store,
);
