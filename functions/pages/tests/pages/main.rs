//! The pages in process: requests as API Gateway hands them over.

mod served;
mod settings;
