/** Half of a pair whose other half was thrown away when it was made: what is sealed with it nobody opens. */
export const strangePublicKey = `-----BEGIN PUBLIC KEY-----
MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAoQp4qDzneHgKHP0op7n4
q9hG3ULsHtGn2PIVojvH1IoMgpNj4Oc42jZ0TDv/zwvVtKZ0NQmZeFCYqmqX9/cy
G/ixtqS5k9cdMy7/WkrszFRrKbegSnocUJ9AJN7cMxOqlrf56fhmpgbuVGfoAaL9
vqy7HgA9VmfKhs+fq8VScgEak77rFEjNPCgTXSbtXrXC9dWBxQZ8jIyb7NJBgTkA
SXA9MtPxsVqj6oJh5rkmFiCpmj13cl0zJ8COWTz7Pg6gC0QLoh9q2XpXPb97xo+f
QG8VgdWR8dYdoNJXvsUqpwkTrzHw3kJ9N9DaMK2B08/m64QT1oMWGdHSat7oUx1A
RIehe4XxVrL9OHVJ3lVZUxYvrBKmK65DcyUXv4355G2FmrgUI/RbU0dGqZjkm/4i
C9Tw/cAE11wI2R5hsoSL2vWnzPHwIZ9sWzzH3VSt2c+46h2C+hRhoICwiy78TutR
TiCZGgOowYetNBf820iM16Agsh5fzkPsmhwxKdnPYjMbAgMBAAE=
-----END PUBLIC KEY-----
`
