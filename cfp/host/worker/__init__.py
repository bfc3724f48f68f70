"""The worker as the manager sees it: another process, started, proven, asked and ended.

supervisor      starts, finds and stops workers for the lifecycle's effects
go byte         what a new worker waits for until the journal knows its process
control socket  how a worker is asked, and how it hands over
proof           user, start time, boot and nonce of a process; without it no signal is sent
"""
