DROP TABLE duties, inbox, service_rollups, service_tick_chunks, service_events, service_ticks,
    service_metrics, services, shards, instances, regions, store;
