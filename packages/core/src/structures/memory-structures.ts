import type { MemoryCells, MemoryStructure } from './memory-cells.ts'
import {
  hashCommands,
  listCommands,
  setCommands,
  wrongType,
  type Commands,
} from './memory-commands.ts'
import type { StructureRead, StructureStore, StructureWrite } from './structure-store.ts'

type Command = StructureRead | StructureWrite

/** Structures in this process's memory, for development and tests. */
export function createMemoryStructures(cells: MemoryCells): StructureStore {
  function run(redisKey: string, command: Command, args: string[], ttlMs: number): unknown {
    const cell = cells.find(redisKey)
    const structure = cell?.content ?? emptyFor(command)
    const reply = apply(structure, command, args)
    const length = typeof structure === 'string' ? 0 : sizeOf(structure)
    // Redis keeps no empty structures.
    if (length === 0) cells.drop(redisKey)
    else if (cell === undefined) cells.put(redisKey, structure as MemoryStructure, ttlMs)
    return reply
  }

  return {
    read: async (redisKey, command, args) => run(redisKey, command, args.map(String), Infinity),
    write: async (redisKey, command, args, ttlMs) =>
      run(redisKey, command, args.map(String), ttlMs),
  }
}

/** A command finds only structures of its own kind. */
function apply(structure: string | MemoryStructure, command: Command, args: string[]): unknown {
  if (structure instanceof Map) return runOne(hashCommands, structure, command, args)
  if (structure instanceof Set) return runOne(setCommands, structure, command, args)
  if (Array.isArray(structure)) return runOne(listCommands, structure, command, args)
  throw wrongType()
}

function runOne<Structure>(
  commands: Commands<Structure>,
  structure: Structure,
  command: Command,
  args: string[],
): unknown {
  const run = commands[command]
  if (run === undefined) throw wrongType()
  return run(structure, args)
}

function emptyFor(command: Command): MemoryStructure {
  if (command in hashCommands) return new Map()
  return command in setCommands ? new Set() : []
}

function sizeOf(structure: MemoryStructure): number {
  return Array.isArray(structure) ? structure.length : structure.size
}
