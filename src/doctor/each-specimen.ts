import { notReached, type Observation } from './observation.ts'
import { labelOf, schemes, specimens, type Specimen } from './specimens.ts'
import type { Visit } from './visit.ts'

type Look = (specimen: Specimen) => Promise<readonly Observation[]>

/** Looks at each chosen interface; those that cannot be asked are told with the rule that stands in the way. */
export async function eachSpecimen (visit: Visit, isMeant: (specimen: Specimen) => boolean, look: Look): Promise<Observation[]> {
  const observations = await Promise.all(specimens.filter(isMeant).map((specimen) => lookIfOpen(visit, specimen, look)))
  return observations.flat()
}

/** The same in the order of a purchase's life, since what one call makes the next one needs. */
export async function eachInOrder (visit: Visit, isMeant: (specimen: Specimen) => boolean, look: Look): Promise<Observation[]> {
  const lives = schemes.map(async (scheme) => {
    const observations: Observation[] = []
    for (const specimen of specimens.filter((each) => each.scheme === scheme && isMeant(each))) {
      observations.push(...await lookIfOpen(visit, specimen, look))
    }
    return observations
  })
  return (await Promise.all(lives)).flat()
}

async function lookIfOpen (visit: Visit, specimen: Specimen, look: Look): Promise<readonly Observation[]> {
  const obstacle = obstacleOf(visit, specimen)
  return obstacle === undefined ? look(specimen) : [notReached(labelOf(specimen), obstacle)]
}

function obstacleOf (visit: Visit, { scheme, name, isAboutInstance }: Specimen): string | undefined {
  const closedBy = visit.closedBy(scheme) ?? visit.interfaceClosedBy(name)
  if (closedBy !== undefined) return closedBy
  if (name === 'applicationSync' && visit.options.privateKeys.length === 0) return 'configuration.private-key'
  return isAboutInstance && visit.instanceIdOf(scheme) === undefined ? 'interfaces.positive' : undefined
}

export const isKit = ({ scheme }: Specimen): boolean => scheme.startsWith('kit')
