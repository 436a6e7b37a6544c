/** Configuration lines as the text of a redis.conf. */
export function configFile(directives: readonly (readonly string[])[]): string {
  return directives.map((words) => `${words.map(quote).join(' ')}\n`).join('')
}

function quote(word: string): string {
  if (/^[\w./:,@+-]+$/.test(word)) return word
  return `"${word.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`
}
