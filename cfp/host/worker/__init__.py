"""The worker as the manager handles it: another process, to start, identify, query and end.

supervisor      starts, finds and stops workers for the lifecycle's effects
go byte         what a new worker waits for until the journal knows its process
control socket  the Unix socket for a worker's health and for a handover
proof           user, start time, boot and nonce of a process; without it no signal is sent
"""
