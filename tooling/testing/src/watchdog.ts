import { spawn, type ChildProcess } from 'node:child_process'
import type { Writable } from 'node:stream'

/*
 * One tiny shell per process reads a pipe whose other end only this process holds. However this
 * process ends (exit, uncaught error, SIGKILL), the pipe closes, and the shell kills what is left
 * and removes its directories. No exit hook can do that for SIGKILL, and no signal handler has to
 * be installed into somebody's program.
 */
const SCRIPT = `
trap '' INT TERM HUP
pids=' ' dirs=
while read -r op what; do
  case $op in
    watch) pids="$pids$what " ;;
    forget) pids="\${pids%% $what *} \${pids#* $what }" ;;
    dir) dirs="$dirs $what" ;;
  esac
done
for pid in $pids; do kill -9 "$pid"; done
for dir in $dirs; do rm -rf "$dir"; done
`

let shell: ChildProcess | undefined

function tell(line: string): void {
  if (shell === undefined || shell.exitCode !== null) {
    // Of a session of its own, so that Ctrl-C in a terminal reaches the program but not its servers.
    shell = spawn('/bin/sh', ['-c', SCRIPT], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    shell.unref()
    ;(shell.stdin as Writable & { unref?(): void }).unref?.()
    shell.stdin?.on('error', () => {})
    shell.on('error', () => {})
  }
  shell.stdin?.write(`${line}\n`)
}

/** Has the process killed when this one ends. */
export function watchProcess(pid: number): void {
  tell(`watch ${pid}`)
}

/** To be called when a watched process has ended, so that a later owner of its pid lives. */
export function forgetProcess(pid: number): void {
  tell(`forget ${pid}`)
}

/** Has a temporary directory removed when this process ends. */
export function removeAtEnd(directory: string): void {
  tell(`dir ${directory}`)
}
