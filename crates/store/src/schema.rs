//! The tables, as both migrations make them. A test reads the live schema of each backend and compares.

diesel::table! {
    instance (key) {
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    workspaces (id) {
        id -> BigInt,
        name -> Text,
        postal_address -> Text,
        time_zone -> Text,
        from_name -> Text,
        from_email -> Text,
        created_at_ms -> BigInt,
        give_up_transactional_hours -> Integer,
        give_up_automation_hours -> Integer,
        give_up_bulk_hours -> Integer,
        route_id -> Nullable<BigInt>,
        pool_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        name -> Text,
        password_hash -> Text,
        theme -> Text,
        created_at_ms -> BigInt,
        signed_in_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    members (workspace_id, user_id) {
        workspace_id -> BigInt,
        user_id -> BigInt,
        role -> Text,
        created_at_ms -> BigInt,
    }
}

diesel::table! {
    sessions (key_hash) {
        key_hash -> Text,
        user_id -> Nullable<BigInt>,
        state -> Text,
        ip -> Text,
        user_agent -> Text,
        created_at_ms -> BigInt,
        seen_at_ms -> BigInt,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    one_time_tokens (token_hash) {
        token_hash -> Text,
        purpose -> Text,
        user_id -> Nullable<BigInt>,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    lists (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        name -> Text,
        description -> Text,
        created_at_ms -> BigInt,
    }
}

diesel::table! {
    imports (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        list_id -> Nullable<BigInt>,
        file_name -> Text,
        spool_path -> Text,
        delete_file -> Bool,
        bytes_total -> BigInt,
        fingerprint -> Text,
        state -> Text,
        auto_start -> Bool,
        format -> Text,
        mapping -> Text,
        consent_source -> Text,
        offset_bytes -> BigInt,
        row_no -> BigInt,
        window_done -> BigInt,
        bytes_done -> BigInt,
        rows_read -> BigInt,
        rows_created -> BigInt,
        rows_updated -> BigInt,
        rows_duplicate -> BigInt,
        rows_invalid -> BigInt,
        rows_suppressed -> BigInt,
        error -> Text,
        leased_by -> Text,
        leased_until_ms -> BigInt,
        created_by -> Text,
        created_at_ms -> BigInt,
        started_at_ms -> Nullable<BigInt>,
        updated_at_ms -> BigInt,
        finished_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    import_rejects (import_id, row_no) {
        import_id -> BigInt,
        row_no -> BigInt,
        workspace_id -> BigInt,
        kind -> Text,
        column_name -> Text,
        reason -> Text,
        record -> Text,
    }
}

diesel::table! {
    import_reject_counts (import_id, kind, column_name, reason) {
        import_id -> BigInt,
        kind -> Text,
        column_name -> Text,
        reason -> Text,
        workspace_id -> BigInt,
        n -> BigInt,
    }
}

diesel::table! {
    subscribers (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        email -> Text,
        domain -> Text,
        first_name -> Text,
        last_name -> Text,
        attributes -> Text,
        status -> Text,
        soft_bounces -> Integer,
        soft_since_ms -> Nullable<BigInt>,
        soft_last_ms -> Nullable<BigInt>,
        doubted_at_ms -> Nullable<BigInt>,
        import_id -> Nullable<BigInt>,
        created_at_ms -> BigInt,
        updated_at_ms -> BigInt,
    }
}

diesel::table! {
    subscriptions (list_id, subscriber_id) {
        list_id -> BigInt,
        subscriber_id -> BigInt,
        workspace_id -> BigInt,
        status -> Text,
        source -> Text,
        consent_at_ms -> Nullable<BigInt>,
        created_at_ms -> BigInt,
        updated_at_ms -> BigInt,
    }
}

diesel::table! {
    list_counts (list_id, status) {
        list_id -> BigInt,
        status -> Text,
        workspace_id -> BigInt,
        n -> BigInt,
    }
}

diesel::table! {
    suppressions (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        kind -> Text,
        value -> Text,
        reason -> Text,
        source -> Text,
        evidence -> Text,
        campaign_id -> Nullable<BigInt>,
        delivery_id -> Nullable<BigInt>,
        created_at_ms -> BigInt,
        expires_at_ms -> Nullable<BigInt>,
        list_id -> BigInt,
        lane -> SmallInt,
    }
}

diesel::table! {
    suppression_specials (workspace_id, kind) {
        workspace_id -> BigInt,
        kind -> Text,
    }
}

diesel::table! {
    suppression_events (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        at_ms -> BigInt,
        who -> Text,
        action -> Text,
        kind -> Text,
        value -> Text,
        scope -> Text,
        reason -> Text,
        note -> Text,
    }
}

diesel::table! {
    suppression_imports (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        file_name -> Text,
        spool_path -> Text,
        state -> Text,
        list_id -> BigInt,
        lane -> SmallInt,
        reason -> Text,
        note -> Text,
        layout -> Text,
        bytes_total -> BigInt,
        bytes_done -> BigInt,
        row_no -> BigInt,
        rows_read -> BigInt,
        rows_added -> BigInt,
        rows_known -> BigInt,
        rows_refused -> BigInt,
        error -> Text,
        created_by -> Text,
        created_at_ms -> BigInt,
        updated_at_ms -> BigInt,
        finished_at_ms -> Nullable<BigInt>,
        leased_by -> Text,
        leased_until_ms -> BigInt,
    }
}

diesel::table! {
    suppression_refusals (import_id, reason) {
        import_id -> BigInt,
        reason -> Text,
        n -> BigInt,
        first_row -> BigInt,
        sample -> Text,
    }
}

diesel::table! {
    routes (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        name -> Text,
        kind -> Text,
        host -> Text,
        port -> Integer,
        tls -> Text,
        username -> Text,
        password_sealed -> Text,
        ehlo_name -> Text,
        max_connections -> Integer,
        max_per_second -> Integer,
        created_at_ms -> BigInt,
        updated_at_ms -> BigInt,
        enabled -> Bool,
        source_v4 -> Text,
        source_v6 -> Text,
        ehlo_name_v6 -> Text,
        max_per_minute -> Integer,
        max_per_hour -> Integer,
        max_per_day -> Integer,
        warm_up_start -> Integer,
        warm_up_growth -> Integer,
        warm_up_full -> Integer,
    }
}

diesel::table! {
    breakers (route_id) {
        route_id -> BigInt,
        workspace_id -> BigInt,
        failures -> Integer,
        failed_at_ms -> Nullable<BigInt>,
        providers -> Text,
        opened_at_ms -> Nullable<BigInt>,
        probe_at_ms -> Nullable<BigInt>,
        probing_until_ms -> Nullable<BigInt>,
        probes -> Integer,
        why -> Text,
    }
}

diesel::table! {
    route_workers (worker_id, route_id) {
        worker_id -> Text,
        route_id -> BigInt,
        problem -> Text,
    }
}

diesel::table! {
    route_checks (route_id) {
        route_id -> BigInt,
        workspace_id -> BigInt,
        asked_at_ms -> BigInt,
        taken_by -> Text,
        taken_at_ms -> Nullable<BigInt>,
        done_at_ms -> Nullable<BigInt>,
        good -> Bool,
        words -> Text,
    }
}

diesel::table! {
    pools (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        name -> Text,
        created_at_ms -> BigInt,
        updated_at_ms -> BigInt,
    }
}

diesel::table! {
    pool_routes (pool_id, route_id) {
        pool_id -> BigInt,
        route_id -> BigInt,
        workspace_id -> BigInt,
        weight -> Integer,
    }
}

diesel::table! {
    warm_ups (route_id, provider_id) {
        route_id -> BigInt,
        provider_id -> BigInt,
        workspace_id -> BigInt,
        day -> Integer,
        date -> BigInt,
        stays -> Text,
    }
}

diesel::table! {
    route_counts (route_id, provider_id, date, outcome) {
        route_id -> BigInt,
        provider_id -> BigInt,
        date -> BigInt,
        outcome -> Text,
        workspace_id -> BigInt,
        n -> BigInt,
    }
}

diesel::table! {
    route_minutes (route_id, provider_id, minute) {
        route_id -> BigInt,
        provider_id -> BigInt,
        minute -> BigInt,
        workspace_id -> BigInt,
        n -> BigInt,
    }
}

diesel::table! {
    campaigns (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        name -> Text,
        subject -> Text,
        preview_text -> Text,
        from_name -> Text,
        from_email -> Text,
        reply_to -> Text,
        html -> Text,
        text -> Text,
        text_is_generated -> Bool,
        track_opens -> Bool,
        track_clicks -> Bool,
        state -> Text,
        paused_at_ms -> Nullable<BigInt>,
        paused_by -> Text,
        pause_reason -> Text,
        attention -> Text,
        revision_id -> Nullable<BigInt>,
        route_id -> Nullable<BigInt>,
        audience_total -> Nullable<BigInt>,
        version -> BigInt,
        created_by -> Text,
        created_at_ms -> BigInt,
        updated_at_ms -> BigInt,
        queuing_at_ms -> Nullable<BigInt>,
        queued_at_ms -> Nullable<BigInt>,
        sending_at_ms -> Nullable<BigInt>,
        done_at_ms -> Nullable<BigInt>,
        cancelled_at_ms -> Nullable<BigInt>,
        deadline_hours -> Nullable<Integer>,
        deadline_at_ms -> Nullable<BigInt>,
        pool_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    fanouts (campaign_id) {
        campaign_id -> BigInt,
        workspace_id -> BigInt,
        cursor_subscriber_id -> BigInt,
        last_subscriber_id -> BigInt,
        duplicates -> BigInt,
        done -> Bool,
        ledger_month -> BigInt,
        rows_removed_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    kept_recipients (first_delivery_id) {
        first_delivery_id -> BigInt,
        last_delivery_id -> BigInt,
        workspace_id -> BigInt,
        campaign_id -> BigInt,
        revision_id -> BigInt,
        recipients -> Binary,
    }
}

diesel::table! {
    campaign_responses (campaign_id) {
        campaign_id -> BigInt,
        workspace_id -> BigInt,
        opened_unique -> BigInt,
        clicked_unique -> BigInt,
        unsubscribed -> BigInt,
    }
}

diesel::table! {
    campaign_lists (campaign_id, list_id) {
        campaign_id -> BigInt,
        list_id -> BigInt,
        workspace_id -> BigInt,
        role -> Text,
        list_name -> Text,
    }
}

diesel::table! {
    campaign_events (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        campaign_id -> BigInt,
        at_ms -> BigInt,
        actor -> Text,
        what -> Text,
    }
}

diesel::table! {
    revisions (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        campaign_id -> BigInt,
        subject -> Text,
        preview_text -> Text,
        from_name -> Text,
        from_email -> Text,
        reply_to -> Text,
        html -> Text,
        text -> Text,
        track_opens -> Bool,
        track_clicks -> Bool,
        postal_address -> Text,
        list_name -> Text,
        links -> Text,
        created_at_ms -> BigInt,
    }
}

diesel::table! {
    provider_settings (provider) {
        provider -> Text,
        settings -> Text,
    }
}

diesel::table! {
    providers (id) {
        id -> BigInt,
        name -> Text,
    }
}

diesel::table! {
    recipient_domains (domain) {
        domain -> Text,
        provider_id -> BigInt,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    deliveries (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        campaign_id -> BigInt,
        revision_id -> BigInt,
        subscriber_id -> Nullable<BigInt>,
        recipient -> Text,
        provider_id -> BigInt,
        kind -> SmallInt,
        lane -> SmallInt,
        state -> SmallInt,
        attempt -> SmallInt,
        first_attempt_at_ms -> Nullable<BigInt>,
        next_at_ms -> Nullable<BigInt>,
        updated_at_ms -> BigInt,
        route_id -> Nullable<BigInt>,
        reply_code -> Nullable<SmallInt>,
        enhanced -> Nullable<Text>,
        reason -> Nullable<Text>,
        reply -> Nullable<Text>,
        tls -> Nullable<SmallInt>,
        reply_group_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    attempts (delivery_id, number) {
        delivery_id -> BigInt,
        number -> SmallInt,
        workspace_id -> BigInt,
        at_ms -> BigInt,
        duration_ms -> BigInt,
        route_id -> Nullable<BigInt>,
        host -> Text,
        ip -> Text,
        tls -> Text,
        phase -> Text,
        class -> Text,
        reply_code -> Nullable<SmallInt>,
        enhanced -> Nullable<Text>,
        reply -> Text,
        times -> Integer,
        first_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    delivery_counts (campaign_id, provider_id, state, detail) {
        campaign_id -> BigInt,
        provider_id -> BigInt,
        state -> SmallInt,
        detail -> Text,
        workspace_id -> BigInt,
        n -> BigInt,
    }
}

diesel::table! {
    pace_events (id) {
        id -> BigInt,
        at_ms -> BigInt,
        provider -> Text,
        route_id -> BigInt,
        stream -> Text,
        act -> Text,
        knob -> Text,
        from_milli -> Nullable<BigInt>,
        to_milli -> Nullable<BigInt>,
        until_ms -> Nullable<BigInt>,
        class -> Text,
        rule -> Text,
        why -> Text,
        acted_by -> Text,
        times -> BigInt,
        attention -> Text,
        ended_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    pace_orders (id) {
        id -> BigInt,
        at_ms -> BigInt,
        ordered_by -> Text,
        provider -> Text,
        route_id -> Nullable<BigInt>,
        act -> Text,
        until_ms -> Nullable<BigInt>,
        why -> Text,
        told_at_ms -> Nullable<BigInt>,
        over_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    provider_changes (id) {
        id -> BigInt,
        at_ms -> BigInt,
        changed_by -> Text,
        kind -> Text,
        subject -> Text,
        was -> Text,
        becomes -> Text,
        undoes -> Nullable<BigInt>,
    }
}

diesel::table! {
    provider_replies (campaign_id, provider_id) {
        campaign_id -> BigInt,
        provider_id -> BigInt,
        workspace_id -> BigInt,
        reply -> Text,
        at_ms -> BigInt,
    }
}

diesel::table! {
    reply_groups (campaign_id, provider_id, text_key) {
        campaign_id -> BigInt,
        provider_id -> BigInt,
        text_key -> Text,
        workspace_id -> BigInt,
        class -> Text,
        reply_code -> Nullable<SmallInt>,
        enhanced -> Nullable<Text>,
        sample -> Text,
        n -> BigInt,
        first_at_ms -> BigInt,
        last_at_ms -> BigInt,
        id -> BigInt,
        deferred -> BigInt,
        dead -> BigInt,
    }
}

diesel::table! {
    discards (delivery_id) {
        delivery_id -> BigInt,
        workspace_id -> BigInt,
        reply_group_id -> BigInt,
        at_ms -> BigInt,
        actor -> Text,
        reason -> Text,
    }
}

diesel::table! {
    queue_orders (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        operation -> Text,
        filter -> Text,
        reason -> Text,
        actor -> Text,
        state -> Text,
        after_group -> BigInt,
        total -> BigInt,
        moved -> BigInt,
        created_at_ms -> BigInt,
        updated_at_ms -> BigInt,
    }
}

diesel::table! {
    engagements (delivery_id, kind, link) {
        delivery_id -> BigInt,
        kind -> Text,
        link -> Integer,
        workspace_id -> BigInt,
        campaign_id -> BigInt,
        n -> BigInt,
        first_at_ms -> BigInt,
        last_at_ms -> BigInt,
    }
}

diesel::table! {
    leases (name) {
        name -> Text,
        holder -> Text,
        until_ms -> BigInt,
    }
}

diesel::table! {
    unpushed_jobs (delivery_id) {
        delivery_id -> BigInt,
        deliveries -> Text,
    }
}

diesel::table! {
    workers (id) {
        id -> Text,
        role -> Text,
        host -> Text,
        version -> Text,
        started_at_ms -> BigInt,
        heartbeat_at_ms -> BigInt,
        connections -> BigInt,
        attempts -> BigInt,
        max_connections -> BigInt,
        attempts_per_minute -> BigInt,
        lanes -> Text,
    }
}

diesel::table! {
    reply_rules (id) {
        id -> BigInt,
        name -> Text,
        rule -> Text,
        created_by -> Text,
        created_at_ms -> BigInt,
    }
}

diesel::table! {
    reports (id) {
        id -> BigInt,
        received_at_ms -> BigInt,
        source -> Text,
        source_name -> Text,
        dedup_key -> Nullable<Text>,
        mail_from -> Text,
        rcpt_to -> Text,
        size_bytes -> BigInt,
        raw -> Binary,
        state -> Text,
        tries -> SmallInt,
        next_at_ms -> Nullable<BigInt>,
        workspace_id -> Nullable<BigInt>,
        delivery_id -> Nullable<BigInt>,
        campaign_id -> Nullable<BigInt>,
        subscriber_id -> Nullable<BigInt>,
        provider_id -> BigInt,
        recipient -> Text,
        kind -> Text,
        class -> Text,
        rule -> Text,
        words -> Text,
        text_key -> Text,
        effect -> Text,
        settled_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    bounce_actions (workspace_id, class) {
        workspace_id -> BigInt,
        class -> Text,
        action -> Text,
        changed_by -> Text,
        changed_at_ms -> BigInt,
    }
}

diesel::table! {
    bounce_limits (workspace_id) {
        workspace_id -> BigInt,
        second_within_days -> Integer,
        hold_after -> Integer,
        hold_over_days -> Integer,
        pause_hard_bounces -> Integer,
        pause_complaints -> Integer,
        warn_complaints -> Integer,
        changed_by -> Text,
        changed_at_ms -> BigInt,
    }
}

diesel::table! {
    bounce_labels (workspace_id, text_key) {
        workspace_id -> BigInt,
        text_key -> Text,
        class -> Text,
        labelled_by -> Text,
        labelled_at_ms -> BigInt,
    }
}

diesel::table! {
    bounce_changes (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        at_ms -> BigInt,
        changed_by -> Text,
        kind -> Text,
        subject -> Text,
        was -> Text,
        becomes -> Text,
    }
}

diesel::table! {
    campaign_windows (campaign_id) {
        campaign_id -> BigInt,
        workspace_id -> BigInt,
        windows -> Text,
    }
}

diesel::table! {
    webhooks (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        service -> Text,
        name -> Text,
        proof_sealed -> Text,
        created_by -> Text,
        created_at_ms -> BigInt,
        last_at_ms -> Nullable<BigInt>,
        accepted -> BigInt,
        refused -> BigInt,
        last_refusal -> Text,
        last_refused_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    sts_policies (domain) {
        domain -> Text,
        policy_id -> Text,
        policy -> Text,
        fetched_at_ms -> BigInt,
        expires_at_ms -> BigInt,
    }
}

diesel::table! {
    tls_required_domains (domain) {
        domain -> Text,
        is_verified -> Bool,
        added_by -> Text,
        added_at_ms -> BigInt,
    }
}

diesel::table! {
    missing_domains (domain) {
        domain -> Text,
        first_at_ms -> BigInt,
        last_at_ms -> BigInt,
    }
}

diesel::table! {
    tls_sessions (day, domain, policy, result, mx_host) {
        day -> Integer,
        domain -> Text,
        policy -> Text,
        result -> Text,
        mx_host -> Text,
        n -> BigInt,
        sending_ip -> Text,
        receiving_ip -> Text,
        policy_text -> Text,
        detail -> Text,
        last_at_ms -> BigInt,
    }
}

diesel::table! {
    sending_domains (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        name -> Text,
        state -> Text,
        created_by -> Text,
        created_at_ms -> BigInt,
        verified_at_ms -> Nullable<BigInt>,
        failing_since_ms -> Nullable<BigInt>,
        checked_at_ms -> Nullable<BigInt>,
        next_check_at_ms -> BigInt,
    }
}

diesel::table! {
    commit_marks (connection) {
        connection -> BigInt,
        number -> BigInt,
        at_ms -> BigInt,
    }
}

diesel::table! {
    dkim_keys (id) {
        id -> BigInt,
        workspace_id -> BigInt,
        domain_id -> BigInt,
        algorithm -> Text,
        selector -> Text,
        public_key -> Text,
        private_sealed -> Text,
        state -> Text,
        created_at_ms -> BigInt,
        published_at_ms -> Nullable<BigInt>,
        activated_at_ms -> Nullable<BigInt>,
        retired_at_ms -> Nullable<BigInt>,
        revoked_at_ms -> Nullable<BigInt>,
        missed_since_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    domain_records (domain_id, kind, host) {
        workspace_id -> BigInt,
        domain_id -> BigInt,
        host -> Text,
        kind -> Text,
        expected -> Text,
        state -> Text,
        detail -> Text,
        found -> Text,
        since_ms -> BigInt,
        was_good -> Bool,
        checked_at_ms -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    attempts,
    breakers,
    campaign_events,
    campaign_lists,
    campaign_responses,
    campaigns,
    deliveries,
    delivery_counts,
    dkim_keys,
    domain_records,
    discards,
    engagements,
    fanouts,
    import_reject_counts,
    import_rejects,
    imports,
    instance,
    list_counts,
    lists,
    members,
    one_time_tokens,
    pool_routes,
    pools,
    provider_replies,
    providers,
    recipient_domains,
    reply_groups,
    reports,
    revisions,
    route_checks,
    route_counts,
    route_minutes,
    route_workers,
    routes,
    sending_domains,
    sessions,
    subscribers,
    subscriptions,
    suppression_events,
    suppression_imports,
    suppression_refusals,
    suppression_specials,
    suppressions,
    users,
    warm_ups,
    workers,
    workspaces,
);
