//! The services of a table.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Service, ServiceKey};

/// Services by key, in the order of keys.
///
/// Tables that follow each other share the services that are the same in both, so that
/// a copy costs a pointer for each and not its backends. Readers do not notice, and a
/// service that is changed here is copied first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceMap(BTreeMap<ServiceKey, Arc<Service>>);

impl ServiceMap {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a service at `key`.
    #[must_use]
    pub fn contains_key(&self, key: &ServiceKey) -> bool {
        self.0.contains_key(key)
    }

    /// The service at `key`.
    #[must_use]
    pub fn get(&self, key: &ServiceKey) -> Option<&Service> {
        self.0.get(key).map(|service| &**service)
    }

    /// The service at `key`, to be changed in this table alone.
    pub fn get_mut(&mut self, key: &ServiceKey) -> Option<&mut Service> {
        self.0.get_mut(key).map(Arc::make_mut)
    }

    /// Puts a service in, whatever was there.
    pub fn insert(&mut self, key: ServiceKey, service: impl Into<Arc<Service>>) {
        self.0.insert(key, service.into());
    }

    /// Takes a service out; false if there was none.
    pub fn remove(&mut self, key: &ServiceKey) -> bool {
        self.0.remove(key).is_some()
    }

    /// The keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &ServiceKey> + ExactSizeIterator + Clone {
        self.0.keys()
    }

    /// The services.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Service> + ExactSizeIterator + Clone {
        self.0.values().map(|service| &**service)
    }

    /// The services, to be changed in this table alone.
    pub fn values_mut(
        &mut self,
    ) -> impl DoubleEndedIterator<Item = &mut Service> + ExactSizeIterator {
        self.0.values_mut().map(Arc::make_mut)
    }

    /// Both.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&ServiceKey, &Service)> + Clone {
        self.into_iter()
    }

    /// Makes the service at `key` the one that `other` has there, or none.
    pub(crate) fn share(&mut self, key: ServiceKey, other: &Self) {
        match other.0.get(&key) {
            Some(service) => self.insert(key, Arc::clone(service)),
            None => drop(self.remove(&key)),
        }
    }
}

/// Services with their keys.
type Iter<'a> = std::iter::Map<
    btree_map::Iter<'a, ServiceKey, Arc<Service>>,
    fn((&'a ServiceKey, &'a Arc<Service>)) -> (&'a ServiceKey, &'a Service),
>;

impl<'a> IntoIterator for &'a ServiceMap {
    type Item = (&'a ServiceKey, &'a Service);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, service)| (key, &**service))
    }
}

impl<S: Into<Arc<Service>>> FromIterator<(ServiceKey, S)> for ServiceMap {
    fn from_iter<I: IntoIterator<Item = (ServiceKey, S)>>(services: I) -> Self {
        let services = services.into_iter();
        Self(services.map(|(key, it)| (key, it.into())).collect())
    }
}

/// As a list of pairs, since JSON keys are text.
impl Serialize for ServiceMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for ServiceMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<(ServiceKey, Service)>::deserialize(deserializer).map(Self::from_iter)
    }
}
