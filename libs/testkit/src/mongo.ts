/** Removes a database of the server at `url`: a test removes those that it made. */
export async function dropMongoDatabase(url: string, database: string): Promise<void> {
  const { default: mongoose } = await import('mongoose')
  const connection = await mongoose.createConnection(url, { dbName: database }).asPromise()
  await connection.dropDatabase()
  await connection.close()
}
