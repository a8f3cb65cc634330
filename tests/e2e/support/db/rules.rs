//! Invariants of the tables, in the SQL of both stores.

/// A rule, and the number of services or rows that break it.
pub const RULES: [(&str, &str); 6] = [
    (
        "every ticked service has a metric",
        "SELECT count(*) FROM (SELECT service_id FROM fresh_ticks EXCEPT \
         SELECT service_id FROM service_metrics) t",
    ),
    (
        "counts equal the ticks, fresh and sealed",
        "SELECT count(*) FROM service_metrics m LEFT JOIN (SELECT service_id, sum(up) AS up, \
         sum(down) AS down, sum(unknown) AS unknown FROM (SELECT service_id, \
         CASE WHEN is_up AND NOT is_unknown THEN 1 ELSE 0 END AS up, \
         CASE WHEN is_up OR is_unknown THEN 0 ELSE 1 END AS down, \
         CASE WHEN is_unknown THEN 1 ELSE 0 END AS unknown \
         FROM fresh_ticks UNION ALL SELECT service_id, up_count, down_count, \
         tick_count - up_count - down_count FROM service_tick_chunks) a GROUP BY service_id) t \
         USING (service_id) WHERE m.tick_count <> coalesce(t.up + t.down, 0) \
         OR m.up_count <> coalesce(t.up, 0) OR m.down_count <> coalesce(t.down, 0) \
         OR m.unknown_count <> coalesce(t.unknown, 0)",
    ),
    (
        "the mean equals the ticks' mean",
        "SELECT count(*) FROM service_metrics m JOIN (SELECT service_id, \
         avg(response_time_ms) AS mean, count(*) AS n \
         FROM fresh_ticks WHERE NOT is_unknown GROUP BY service_id) t USING (service_id) \
         WHERE m.tick_count = t.n AND abs(m.average_response_time_ms - t.mean) > 1e-6 * \
         (1 + t.mean)",
    ),
    (
        "at most one event lasts",
        "SELECT count(*) FROM (SELECT service_id FROM service_events WHERE date_ended_ms IS NULL \
         GROUP BY service_id HAVING count(*) > 1) t",
    ),
    (
        "the newest event agrees with the newest tick",
        "SELECT count(*) FROM (SELECT service_id, CASE WHEN is_unknown THEN 'unknown' \
         WHEN is_up THEN 'uptime' ELSE 'downtime' END AS word, \
         row_number() OVER (PARTITION BY service_id ORDER BY id DESC) AS nth FROM fresh_ticks) t \
         LEFT JOIN (SELECT service_id, event, date_ended_ms, \
         row_number() OVER (PARTITION BY service_id ORDER BY id DESC) AS nth \
         FROM service_events) e ON e.service_id = t.service_id AND e.nth = 1 \
         JOIN services s ON s.id = t.service_id \
         JOIN service_metrics m ON m.service_id = t.service_id \
         WHERE t.nth = 1 AND s.deleted_at IS NULL AND m.streak_count IS NULL \
         AND (e.date_ended_ms IS NOT NULL OR e.event NOT IN ('paused', 'unknown', t.word))",
    ),
    (
        "an event begins where the one before it ended",
        "SELECT count(*) FROM (SELECT date_started_ms, lag(date_ended_ms) OVER (PARTITION BY \
         service_id ORDER BY id) AS ended, lag(id) OVER (PARTITION BY service_id ORDER BY id) \
         AS before FROM service_events) e \
         WHERE before IS NOT NULL AND date_started_ms IS DISTINCT FROM ended",
    ),
];
