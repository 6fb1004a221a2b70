//! Published runs of AI agents, line by line, as commands of the agents domain; pure.
