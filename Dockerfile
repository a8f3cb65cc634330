# Build stage. Dependencies are a separate layer, cached until a manifest or Cargo.lock changes.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches/Cargo.toml benches/
RUN mkdir -p src benches/src tests/e2e /data \
    && echo 'fn main() {}' \
        | tee src/main.rs benches/src/main.rs benches/history.rs > tests/e2e/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src
COPY migrations migrations
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

# Runtime stage: glibc, certificate authorities and the binary; no shell, unprivileged user.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/service-healthcheck /usr/local/bin/service-healthcheck
COPY --from=build --chown=nonroot:nonroot /data /data
WORKDIR /data
VOLUME /data
ENV API_HOST=0.0.0.0 DB_FILE=/data/db.db
EXPOSE 9999
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["/usr/local/bin/service-healthcheck", "health"]
ENTRYPOINT ["/usr/local/bin/service-healthcheck"]
CMD ["run"]
