"""What travels between processes: subjects, framed calls, the journal's entries; and the bus on NATS.

On NATS, `jetstream` is the bus of the control plane, `run_bus` that of a run's bridge, `callout` lets bridges in, and `server_config` is how the
server is configured. The port itself is `contracts.bus`; the embedded implementation is in `sympozium_core.embedded`, which may import this
package.
"""
