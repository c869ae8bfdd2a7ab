// Nothing to set: the file is here so that tools do not ask for it.
export default {};
